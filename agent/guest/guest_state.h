// A guest's states, and which verb each of them allows.
#ifndef INNKEEPER_AGENT_GUEST_GUEST_STATE_H_
#define INNKEEPER_AGENT_GUEST_GUEST_STATE_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace innkeeper {

// The values are stored on disk: never renumbered.
enum class GuestState : uint8_t {
  kStarting = 1,  // Asked for; QEMU may or may not exist yet.
  kRunning = 2,
  kPaused = 3,
  kStopping = 4,  // Asked to stop, or being killed.
  kStopped = 5,   // No process. The record stays until it is deleted.
  kFailed = 6,    // No process, and not because somebody asked for it.
};
inline constexpr GuestState kAllGuestStates[] = {
    GuestState::kStarting, GuestState::kRunning, GuestState::kPaused,
    GuestState::kStopping, GuestState::kStopped, GuestState::kFailed};

enum class GuestVerb : uint8_t {
  kStart,
  kStop,       // Asks the guest; it needs vCPUs that run.
  kForceStop,  // Kills QEMU; needs nothing of it.
  kReboot,
  kPause,
  kResume,
  kDelete,
  kAttachConsole,
};
inline constexpr GuestVerb kAllGuestVerbs[] = {
    GuestVerb::kStart,  GuestVerb::kStop,         GuestVerb::kForceStop,
    GuestVerb::kReboot, GuestVerb::kPause,        GuestVerb::kResume,
    GuestVerb::kDelete, GuestVerb::kAttachConsole};

// OK if guest `id` in `state` allows `verb`. Else FAILED_PRECONDITION with one
// of GUEST_NOT_STARTABLE, GUEST_NOT_RUNNING, GUEST_NOT_PAUSED,
// GUEST_NOT_STOPPED, CONSOLE_UNAVAILABLE, the violation, and the way out.
absl::Status CheckVerb(absl::string_view id, GuestState state, GuestVerb verb);

// Whether a guest in `state` may have a process.
bool MayHaveProcess(GuestState state);

// "RUNNING" and "pause" ("stop --force" for kForceStop).
absl::string_view ToString(GuestState state);
absl::string_view ToString(GuestVerb verb);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_GUEST_GUEST_STATE_H_
