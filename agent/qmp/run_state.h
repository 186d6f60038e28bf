// What a QEMU process is doing with its guest.
#ifndef INNKEEPER_AGENT_QMP_RUN_STATE_H_
#define INNKEEPER_AGENT_QMP_RUN_STATE_H_

#include <cstdint>

#include "absl/strings/string_view.h"

namespace innkeeper {

// QEMU's run states by QEMU's names.
enum class RunState : uint8_t {
  kOther,  // One that a later QEMU has added.
  kColo,
  kDebug,
  kFinishMigrate,
  kGuestPanicked,
  kInMigrate,
  kInternalError,
  kIoError,
  kPaused,
  kPostMigrate,
  kPrelaunch,
  kRestoreVm,
  kRunning,
  kSaveVm,
  kShutdown,
  kSuspended,
  kWatchdog,
};

// kOther for a name that is not in the table. Thread-safe.
RunState ParseRunState(absl::string_view name);

// QEMU's name; "other" for kOther. Thread-safe.
absl::string_view RunStateName(RunState state);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_QMP_RUN_STATE_H_
