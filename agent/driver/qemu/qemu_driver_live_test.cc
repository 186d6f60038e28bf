// The driver over the real launcher and the real QEMU.
#include <signal.h>
#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "agent/driver/qemu/launch_planner.h"
#include "agent/driver/qemu/qemu_driver.h"
#include "agent/driver/qemu/qemu_timings.h"
#include "agent/driver/testing/driver_conformance.h"
#include "agent/guest/guest_spec.h"
#include "agent/launch/spawner.h"
#include "agent/launcher/proc.h"
#include "agent/launcher/testing/launcher_harness.h"
#include "base/event_loop.h"
#include "base/executor.h"
#include "base/testing/status_matchers.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

class RealDriverUnderTest final : public DriverUnderTest {
 public:
  RealDriverUnderTest() {
    EXPECT_THAT(harness_.Start(), IsOk());
    // A host that is slow is not to be taken for a guest that hangs.
    timings_.command = absl::Seconds(4);
    timings_.adopt = absl::Seconds(4);
    timings_.redial = absl::Milliseconds(200);
    timings_.probe = absl::Milliseconds(500);
    planner_ = std::make_unique<LaunchPlanner>(
        LaunchPlanner::Parts{harness_.loop(),
                             &executor_,
                             harness_.spawner(),
                             "/usr/bin/qemu-system-x86_64",
                             {"pc-q35-7.2", "microvm"},
                             /*kvm=*/false,
                             "the test has none"});
    MakeDriver();
  }
  ~RealDriverUnderTest() override {
    harness_.loop()->PostAndWait([this] { driver_.reset(); });
  }

  EventLoop& loop() override { return *harness_.loop(); }
  GuestDriver& driver() override { return *driver_; }
  GuestSpec MakeSpec() override {
    GuestSpec spec;
    spec.memory_bytes = int64_t{32} << 20;
    return spec;
  }
  void Restart(GuestEventSink* sink) override {
    harness_.loop()->PostAndWait([this] { driver_.reset(); });
    MakeDriver();
    harness_.loop()->PostAndWait([&] { driver_->SetEventSink(sink); });
  }
  void Crash(const std::string& guest) override { Signal(guest, SIGABRT); }
  void Hang(const std::string& guest) override {
    Signal(guest, SIGSTOP);
    const std::string pid = absl::StrCat(PidOf(guest));
    EXPECT_TRUE(Eventually([&] {
      const absl::StatusOr<ProcStat> stat = ReadProcStat(pid);
      return stat.ok() && stat->state == 'T';
    }));
  }
  void Unhang(const std::string& guest) override { Signal(guest, SIGCONT); }
  std::vector<std::string> Leftovers() override { return harness_.Leftovers(); }

 private:
  void MakeDriver() {
    driver_ = std::make_unique<QemuDriver>(
        QemuDriver::Parts{harness_.loop(), harness_.spawner(), planner_.get(),
                          harness_.run_dir() + "/guests", "boot", timings_});
  }
  int64_t PidOf(const std::string& guest) {
    const absl::StatusOr<std::vector<KnownGuest>> known = harness_.List();
    EXPECT_THAT(known, IsOk());
    if (!known.ok()) return 0;
    for (const KnownGuest& one : *known) {
      if (one.guest == guest) return one.pid;
    }
    ADD_FAILURE() << guest << " is not known";
    return 0;
  }
  void Signal(const std::string& guest, int number) {
    const int64_t pid = PidOf(guest);
    ASSERT_GT(pid, 0);
    EXPECT_EQ(kill(static_cast<pid_t>(pid), number), 0);
  }

  LauncherHarness harness_;
  Executor executor_{"images", 1, 16};
  QemuTimings timings_;
  std::unique_ptr<LaunchPlanner> planner_;
  std::unique_ptr<QemuDriver> driver_;
};

std::unique_ptr<DriverUnderTest> MakeRealDriver() {
  return std::make_unique<RealDriverUnderTest>();
}

INSTANTIATE_TEST_SUITE_P(Qemu, DriverConformanceTest,
                         testing::Values(MakeRealDriver));

}  // namespace
}  // namespace innkeeper
