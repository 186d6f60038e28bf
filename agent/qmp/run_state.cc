#include "agent/qmp/run_state.h"

#include "absl/strings/string_view.h"

namespace innkeeper {
namespace {

struct Entry {
  RunState state;
  absl::string_view name;
};

constexpr Entry kRunStates[] = {
    {RunState::kColo, "colo"},
    {RunState::kDebug, "debug"},
    {RunState::kFinishMigrate, "finish-migrate"},
    {RunState::kGuestPanicked, "guest-panicked"},
    {RunState::kInMigrate, "inmigrate"},
    {RunState::kInternalError, "internal-error"},
    {RunState::kIoError, "io-error"},
    {RunState::kPaused, "paused"},
    {RunState::kPostMigrate, "postmigrate"},
    {RunState::kPrelaunch, "prelaunch"},
    {RunState::kRestoreVm, "restore-vm"},
    {RunState::kRunning, "running"},
    {RunState::kSaveVm, "save-vm"},
    {RunState::kShutdown, "shutdown"},
    {RunState::kSuspended, "suspended"},
    {RunState::kWatchdog, "watchdog"},
};

}  // namespace

RunState ParseRunState(absl::string_view name) {
  for (const Entry& entry : kRunStates) {
    if (entry.name == name) return entry.state;
  }
  return RunState::kOther;
}

absl::string_view RunStateName(RunState state) {
  for (const Entry& entry : kRunStates) {
    if (entry.state == state) return entry.name;
  }
  return "other";
}

}  // namespace innkeeper
