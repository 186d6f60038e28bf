// A QEMU driver whose QEMU is a script.
#ifndef INNKEEPER_AGENT_DRIVER_QEMU_TESTING_QEMU_DRIVER_HARNESS_H_
#define INNKEEPER_AGENT_DRIVER_QEMU_TESTING_QEMU_DRIVER_HARNESS_H_

#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/driver/guest_driver.h"
#include "agent/driver/qemu/launch_planner.h"
#include "agent/driver/qemu/qemu_driver.h"
#include "agent/driver/qemu/qemu_timings.h"
#include "agent/driver/testing/recording_sink.h"
#include "agent/guest/guest_record.h"
#include "agent/launch/testing/fake_spawner.h"
#include "agent/qmp/testing/fake_qmp_server.h"
#include "base/completion.h"
#include "base/event_loop.h"
#include "base/executor.h"

namespace innkeeper {

// One guest, "web": launches of it get a process that a test ends, a directory,
// and the monitor below. The monitor answers query-status with "prelaunch", and
// cont, stop, system_powerdown and system_reset with success. Not thread-safe:
// for the test's own thread. Waits end after 20 s.
class QemuDriverHarness {
 public:
  QemuDriverHarness();
  ~QemuDriverHarness();
  QemuDriverHarness(const QemuDriverHarness&) = delete;
  QemuDriverHarness& operator=(const QemuDriverHarness&) = delete;

  // Before the driver is used for the first time:
  QemuTimings timings;
  // Launches find the monitor listening; false: nobody listens.
  bool listens = true;
  // Run on the loop just before a launch is answered by the launcher.
  absl::AnyInvocable<void()> at_launch;

  GuestRecord Record() const;
  // Calls of the driver, waited for.
  absl::StatusOr<DriverGuest> Launch() { return Launch(Record()); }
  absl::StatusOr<DriverGuest> Launch(const GuestRecord& record);
  absl::StatusOr<DriverGuest> Adopt(bool let_run);
  absl::StatusOr<std::vector<FoundGuest>> Find();
  absl::StatusOr<LaunchExplanation> Explain(const GuestRecord& record);
  absl::Status Call(void (GuestDriver::*method)(absl::string_view,
                                                StatusCompletion));
  absl::StatusOr<std::string> ConsolePath();
  // Runs everything that is posted now.
  void Settle();

  // A guest of an earlier agent: the process is this test's, so that the kernel
  // shows it behind the monitor, which listens from now on.
  void AddEarlierGuest();

  // What the keeper and QEMU leave in the guest's directory.
  void WriteExitRecord(absl::string_view kind, int value);
  void WriteErrorText(absl::string_view text);

  // No guest is left with the launcher.
  bool NothingIsLeft() const { return spawner_.guests().empty(); }
  // A pid that nobody has.
  int64_t DeadPid() const { return dead_pid_; }
  std::string directory() const { return directory_ + "/web"; }

  EventLoop& loop() { return loop_; }
  FakeSpawner& spawner() { return spawner_; }
  FakeQmpServer& monitor() { return monitor_; }
  RecordingSink& sink() { return sink_; }
  GuestDriver& driver();

 private:
  std::string directory_;
  int64_t dead_pid_ = 0;
  RecordingSink sink_;
  FakeQmpServer monitor_;
  EventLoop loop_{"driver"};
  Executor executor_{"images", 1, 16};
  FakeSpawner spawner_{&loop_};
  std::unique_ptr<LaunchPlanner> planner_;
  std::unique_ptr<QemuDriver> driver_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_DRIVER_QEMU_TESTING_QEMU_DRIVER_HARNESS_H_
