// One launch, step by step.
#ifndef INNKEEPER_AGENT_LAUNCHER_LAUNCH_ATTEMPT_H_
#define INNKEEPER_AGENT_LAUNCHER_LAUNCH_ATTEMPT_H_

#include <sys/types.h>

#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/launch/launch_plan.h"
#include "agent/launch/launch_steps.h"
#include "agent/launch/spawner.h"
#include "agent/launcher/child_report.h"
#include "agent/launcher/config.h"
#include "agent/launcher/guest_dir.h"
#include "agent/launcher/jail.h"
#include "agent/launcher/journal_entry.h"
#include "agent/launcher/resolved_context.h"
#include "base/unique_fd.h"

namespace innkeeper {

class GuestLauncher;

// Runs the launcher's steps of kLaunchSteps once. Whatever it opened is closed
// with it: what a guest keeps, it has by then. Not thread-safe.
class LaunchAttempt {
 public:
  // Both must outlive this.
  LaunchAttempt(GuestLauncher& launcher, const LaunchPlan& plan)
      : launcher_(launcher), plan_(plan) {}

  // As Spawner::Launch. If a step fails, what was made before it is discarded.
  absl::StatusOr<Launched> Run();

 private:
  absl::Status RunStep(LaunchStep step);
  absl::Status Check();
  absl::Status CheckContext();
  absl::Status AllocateUids();
  absl::Status RecordIntent();
  absl::Status MakeGuestDir();
  absl::Status PrepareState();
  absl::Status MakeCgroups();
  absl::Status MakeTaps();
  absl::Status OpenResources();
  absl::Status LimitIo();
  absl::Status OpenNamespaces();
  absl::Status MakeUserNamespace();
  absl::Status Clone();
  void FillJail();
  void WarnOfSharedUid() const;
  absl::Status ReleaseChild();
  absl::Status AwaitExec();
  absl::Status RecordLaunched();

  // Opens or makes the thing that `fd` stands for.
  absl::StatusOr<UniqueFd> OpenPlanned(const PlannedFd& fd);
  absl::StatusOr<UniqueFd> MakeConsole();
  absl::Status CheckFirmware() const;
  // Of plan_.firmware.
  const FirmwareFiles& Firmware() const;
  absl::Status HandleReport(ReceivedReport received);
  absl::Status WithStep(const absl::Status& status, LaunchStep step) const;

  GuestLauncher& launcher_;
  const LaunchPlan& plan_;
  // From RecordIntent on there is something to discard.
  bool begun_ = false;
  JournalEntry entry_;
  GuestDirFds dir_;
  StatusChannel channel_;
  JailSpec jail_;
  std::vector<UniqueFd> tap_queues_;
  ResolvedContext context_;
  std::string group_;       // The control group.
  UniqueFd named_network_;  // Opened as early as it is checked.
  std::set<dev_t> disks_;   // The block devices of the guest's images.
  // Descriptors that jail_ names, until the child has them.
  std::vector<UniqueFd> held_;
  bool qemu_ready_ = false;
  bool keeper_ready_ = false;
  Launched launched_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_LAUNCH_ATTEMPT_H_
