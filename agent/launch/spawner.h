// The way from the agent to whatever can start processes and open images.
#ifndef INNKEEPER_AGENT_LAUNCH_SPAWNER_H_
#define INNKEEPER_AGENT_LAUNCH_SPAWNER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/strings/string_view.h"
#include "agent/launch/context_offer.h"
#include "agent/launch/guest_facts.h"
#include "agent/launch/launch_plan.h"
#include "base/completion.h"
#include "base/unique_fd.h"

namespace innkeeper {

// A guest whose QEMU has been executed. It may have ended since: `pidfd` tells.
struct Launched {
  int64_t pid = 0;  // QEMU's, as the host sees it.
  int64_t keeper_pid = 0;
  uint32_t unix_uid = 0;
  uint32_t unix_gid = 0;
  uint64_t start_time_ticks = 0;       // Field 22 of /proc/PID/stat.
  UniqueFd pidfd;                      // Of QEMU.
  std::vector<std::string> taps = {};  // The host's names of the plan's taps.
};

// A guest that was launched and not yet released.
struct KnownGuest {
  std::string guest;
  std::string uid;
  std::string manifest;
  bool running = false;  // Whether that very QEMU still lives.
  int64_t pid = 0;
  int64_t keeper_pid = 0;
  uint32_t unix_uid = 0;
  uint32_t unix_gid = 0;
  uint64_t start_time_ticks = 0;
  std::vector<std::string> taps = {};
};

// Thread-safe; never blocks. Completions run on the EventLoop that the
// implementation was given, never inside the call. Every method may also answer
// UNAVAILABLE (LAUNCHER_UNAVAILABLE) when the launcher is gone and
// DEADLINE_EXCEEDED (DEADLINE_EXCEEDED) when it does not answer; after the
// latter the outcome is unknown: List or Release tells.
class Spawner {
 public:
  virtual ~Spawner() = default;

  // Starts `plan`'s guest. When it fails nothing is left of it.
  // INVALID_ARGUMENT (INVALID_REQUEST): the plan breaks a bound.
  // PERMISSION_DENIED (LAUNCHER_REFUSED): argv[0] is not a permitted QEMU.
  // ALREADY_EXISTS (GUEST_EXISTS): the id or the uid is in use until it is
  // released.
  // NOT_FOUND (POOL_NOT_FOUND, VOLUME_NOT_FOUND), INVALID_ARGUMENT
  // (IMAGE_UNSUPPORTED): an image cannot be opened.
  // FAILED_PRECONDITION (FIRMWARE_UNAVAILABLE): the host does not have it.
  // RESOURCE_EXHAUSTED (TOO_MANY_GUESTS, UID_POOL_EXHAUSTED).
  // NOT_FOUND (NETWORK_NOT_FOUND), FAILED_PRECONDITION (ADDRESS_IN_USE,
  // NETWORK_UNAVAILABLE): a tap cannot be had.
  // FAILED_PRECONDITION (CONTEXT_UNAVAILABLE): with every part of the context
  // that this host cannot give.
  // INTERNAL (GUEST_LAUNCH_FAILED): metadata "step" (launch_steps.h), "errno".
  virtual void Launch(LaunchPlan plan, Completion<Launched> done) = 0;

  // Opens an image read-only, for its header. To be closed soon; never to be
  // given to a QEMU: the lock would be shared. Errors as Launch.
  virtual void OpenImage(absl::string_view pool, absl::string_view name,
                         Completion<UniqueFd> done) = 0;

  // Ends every process of `guest`; what it has stays until Release. OK if it
  // had ended already. NOT_FOUND (GUEST_NOT_FOUND) if unknown.
  virtual void Kill(absl::string_view guest, StatusCompletion done) = 0;

  // Kill, then control groups, directory, sockets and uids go; what Forget
  // removes stays. OK if unknown.
  virtual void Release(absl::string_view guest, StatusCompletion done) = 0;

  // Removes what the guest with this uid keeps while it is released: UEFI
  // variables. OK if there is nothing. INVALID_ARGUMENT (INVALID_REQUEST): no
  // UUID. FAILED_PRECONDITION (GUEST_NOT_STOPPED): it is not released.
  virtual void Forget(absl::string_view uid, StatusCompletion done) = 0;

  // Every guest launched and not released, sorted by id.
  virtual void List(Completion<std::vector<KnownGuest>> done) = 0;

  // What this host can give of a context, as it is now.
  virtual void Offer(Completion<ContextOffer> done) = 0;

  // What the kernel says of `guest`'s processes. NOT_FOUND (GUEST_NOT_FOUND) if
  // unknown; FAILED_PRECONDITION (GUEST_NOT_RUNNING) if its QEMU has ended.
  virtual void InspectGuest(absl::string_view guest,
                            Completion<GuestFacts> done) = 0;

  // `handler` runs once, on the loop, when the launcher is lost, before what
  // waits for it is told; at once if it is lost already.
  virtual void SetDisconnectHandler(absl::AnyInvocable<void()> handler) = 0;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCH_SPAWNER_H_
