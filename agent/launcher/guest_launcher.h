// Guests of one instance: makes them, finds them again, ends them.
#ifndef INNKEEPER_AGENT_LAUNCHER_GUEST_LAUNCHER_H_
#define INNKEEPER_AGENT_LAUNCHER_GUEST_LAUNCHER_H_

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/launch/context_offer.h"
#include "agent/launch/guest_facts.h"
#include "agent/launch/launch_plan.h"
#include "agent/launch/spawner.h"
#include "agent/launcher/cgroup.h"
#include "agent/launcher/config.h"
#include "agent/launcher/guest_dir.h"
#include "agent/launcher/images.h"
#include "agent/launcher/journal.h"
#include "agent/launcher/net_namespaces.h"
#include "agent/launcher/persistent_state.h"
#include "agent/launcher/protocol.h"
#include "agent/launcher/taps.h"
#include "agent/launcher/uid_pool.h"
#include "base/unique_fd.h"

namespace innkeeper {

// Not thread-safe; for a process with one thread, run by root. Methods wait for
// processes that they made or kill, for a bounded time, and never for a QEMU to
// do anything.
class GuestLauncher {
 public:
  // Makes the directories, opens the pools and undoes what an earlier launcher
  // left half done. `config` has passed CheckConfig(). FAILED_PRECONDITION
  // (CONFIG_INVALID): another launcher has this instance, or the range of uids
  // leaves out those of a guest that there is; nothing is undone then.
  static absl::StatusOr<std::unique_ptr<GuestLauncher>> Create(
      const LauncherConfig& config);
  GuestLauncher(const GuestLauncher&) = delete;
  GuestLauncher& operator=(const GuestLauncher&) = delete;

  // These are the methods of Spawner, which states their errors.
  absl::StatusOr<Launched> Launch(const LaunchPlan& plan);
  absl::StatusOr<UniqueFd> OpenImage(absl::string_view pool,
                                     absl::string_view name) const;
  absl::Status Kill(absl::string_view guest);
  absl::Status Release(absl::string_view guest);
  absl::Status Forget(absl::string_view uid);
  // The guests whose id is greater than `after`, sorted; at least one if there
  // is one, and no more than a reply could hold.
  std::vector<KnownGuest> List(absl::string_view after) const;

  // What contexts can have here, as of now.
  ContextOffer Offer() const;
  absl::StatusOr<GuestFacts> Inspect(absl::string_view guest) const;

  // Makes what the next launch will need and nobody has to wait for.
  void MakeAhead() { networks_.MakeAhead(); }

  // Removes what belongs to no guest, before a regular exit.
  void Leave();

  const ImagePools& pools() const { return pools_; }
  std::vector<KnownNetwork> Networks() const;
  // What guests may have here besides: "uefi", "uefi-secure-boot".
  std::vector<std::string> Features() const;

 private:
  // One launch on its way: launch_attempt.cc.
  friend class LaunchAttempt;

  GuestLauncher(const LauncherConfig& config, ImagePools pools);

  absl::Status Recover();
  // FAILED_PRECONDITION (CONFIG_INVALID) if a guest that is not undone has uids
  // that this launcher's range does not.
  absl::Status CheckUidRange() const;
  // Makes `guest` not exist: processes, taps, groups, directory, what an
  // unfinished launch made for it to keep, then the entry.
  absl::Status Discard(absl::string_view guest);
  // The control group of `guest`, which has an entry.
  std::string GroupOfGuest(absl::string_view guest) const;
  std::set<uid_t> LiveUids() const;
  std::vector<JournalTap> LiveTaps() const;
  std::string JailMountPoint() const;
  std::string OverlayDir() const;

  const LauncherConfig config_;
  const ImagePools pools_;
  std::string boot_id_;
  ContextOffer offer_;  // Without networks.
  Cgroups cgroups_;
  NetNamespaces networks_;
  Taps taps_;
  UidPool uids_;
  Journal journal_;
  GuestDirs dirs_;
  PersistentState state_;
  // Hold record locks for as long as this process lives, so that each of the
  // two directories has one launcher.
  UniqueFd state_lock_;
  UniqueFd run_lock_;
  std::map<std::string, JournalEntry> guests_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_GUEST_LAUNCHER_H_
