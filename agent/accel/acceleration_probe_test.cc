#include "agent/accel/acceleration_probe.h"

#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "agent/accel/boot_sector.h"
#include "agent/accel/probe_runner.h"
#include "agent/accel/process_probe_runner.h"
#include "base/event_loop.h"
#include "base/testing/status_matchers.h"
#include "base/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr absl::Duration kWait = absl::Seconds(30);

// A probe whose QEMU is a shell script.
class AccelerationProbeTest : public testing::Test {
 protected:
  AccelerationReport ProbeWith(const std::string& script,
                               absl::Duration timeout) {
    const std::string path = absl::StrCat(
        testing::TempDir(), "/qemu-",
        testing::UnitTest::GetInstance()->current_test_info()->name());
    std::ofstream(path) << "#!/bin/sh\n" << script << "\n";
    EXPECT_EQ(chmod(path.c_str(), 0755), 0);
    return Probe(path, timeout);
  }

  AccelerationReport Probe(const std::string& qemu, absl::Duration timeout) {
    AccelerationProbe probe(qemu, &runner_, timeout);
    absl::Notification done;
    AccelerationReport report;
    probe.Probe([&](absl::StatusOr<AccelerationReport> answer) {
      EXPECT_THAT(answer, IsOk());
      report = *std::move(answer);
      done.Notify();
    });
    done.WaitForNotification();
    return report;
  }

  absl::StatusOr<ProbeOutcome> Run(ProbeCommand command) {
    absl::Notification done;
    absl::StatusOr<ProbeOutcome> outcome;
    runner_.Run(std::move(command), [&](absl::StatusOr<ProbeOutcome> answer) {
      outcome = std::move(answer);
      done.Notify();
    });
    done.WaitForNotification();
    return outcome;
  }

  EventLoop loop_{"probe"};
  ProcessProbeRunner runner_{&loop_};
};

TEST_F(AccelerationProbeTest, KvmThatRunsTheSectorIsUsable) {
  const AccelerationReport report = ProbeWith("exit 85", kWait);

  EXPECT_TRUE(report.kvm);
  EXPECT_EQ(report.reason, "a probe guest ran on KVM");
  EXPECT_GT(report.took, absl::ZeroDuration());
}

TEST_F(AccelerationProbeTest, KvmThatHangsIsNotUsable) {
  const AccelerationReport report =
      ProbeWith("exec sleep 1000", absl::Milliseconds(300));

  EXPECT_FALSE(report.kvm);
  EXPECT_THAT(report.reason, StartsWith("a probe guest on KVM did not run"));
  EXPECT_GE(report.took, absl::Milliseconds(300));
}

TEST_F(AccelerationProbeTest, KvmThatAbortsIsNotUsableAndSaysWhy) {
  const AccelerationReport report = ProbeWith(
      "echo first >&2; printf 'error: failed to set MSR \\033[1m0x480\\n' >&2; "
      "kill -ABRT $$",
      kWait);

  EXPECT_FALSE(report.kvm);
  EXPECT_EQ(report.reason,
            "QEMU with KVM was killed by signal 6: error: failed to set MSR "
            "?[1m0x480");
}

TEST_F(AccelerationProbeTest, QemuThatExitsOtherwiseIsNotUsable) {
  const AccelerationReport report =
      ProbeWith("echo 'Could not access KVM kernel module' >&2; exit 1", kWait);

  EXPECT_FALSE(report.kvm);
  EXPECT_EQ(report.reason,
            "QEMU with KVM exited with status 1: Could not access KVM kernel "
            "module");
  EXPECT_FALSE(ProbeWith("exit 0", kWait).kvm) << "a clean exit proves nothing";
}

TEST_F(AccelerationProbeTest, AbsentQemuIsNotUsable) {
  const AccelerationReport report = Probe("/nonexistent/qemu", kWait);

  EXPECT_FALSE(report.kvm);
  EXPECT_THAT(report.reason,
              AllOf(HasSubstr("not started"), HasSubstr("/nonexistent/qemu")));
}

TEST_F(AccelerationProbeTest, ProbeAsksForKvmAndNothingElse) {
  const ProbeCommand command =
      MakeProbeCommand("/usr/bin/qemu", "kvm", absl::Seconds(2));

  EXPECT_EQ(command.argv[0], "/usr/bin/qemu");
  EXPECT_THAT(command.argv, Contains("kvm"));
  EXPECT_THAT(command.argv, Not(Contains(HasSubstr("tcg"))));
  EXPECT_EQ(command.image.substr(510, 2), "\x55\xaa");
}

TEST_F(AccelerationProbeTest, ChildSeesItsImageAndNoOtherDescriptor) {
  // A descriptor that would leak if only close-on-exec protected it.
  const int leak = dup(0);
  ASSERT_GT(leak, kProbeImageFd);
  ProbeCommand command;
  command.argv = {"/bin/sh", "-c",
                  "exec 1>&2; cat /proc/self/fd/3; ls /proc/$$/fd; exec env"};
  command.image = "the image:";
  command.timeout = kWait;

  const absl::StatusOr<ProbeOutcome> outcome = Run(std::move(command));

  close(leak);
  ASSERT_THAT(outcome, IsOk());
  EXPECT_THAT(outcome->output, StartsWith("the image:0\n1\n2\n3\nPWD="));
  EXPECT_THAT(outcome->output, Not(HasSubstr("HOME=")));
}

TEST_F(AccelerationProbeTest, ChildThatTimesOutIsKilled) {
  ProbeCommand command;
  command.argv = {"/bin/sh", "-c", "echo $$ >&2; exec sleep 1000"};
  command.timeout = absl::Milliseconds(300);

  const absl::StatusOr<ProbeOutcome> outcome = Run(std::move(command));

  ASSERT_THAT(outcome, IsOk());
  EXPECT_EQ(outcome->end, ProbeOutcome::End::kTimedOut);
  const int pid = std::atoi(outcome->output.c_str());
  ASSERT_GT(pid, 1);
  // Gone already, or about to go.
  const UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (pidfd.valid()) {
    pollfd ended = {pidfd.get(), POLLIN, 0};
    EXPECT_EQ(poll(&ended, 1, 20000), 1);
  } else {
    EXPECT_EQ(errno, ESRCH);
  }
}

// With the machine's own QEMU, on the accelerator that works everywhere.
TEST_F(AccelerationProbeTest, RealBootSectorEndsRealQemuWithItsStatus) {
  const absl::StatusOr<ProbeOutcome> outcome =
      Run(MakeProbeCommand("/usr/bin/qemu-system-x86_64", "tcg", kWait));

  ASSERT_THAT(outcome, IsOk());
  EXPECT_EQ(outcome->end, ProbeOutcome::End::kExited) << outcome->output;
  EXPECT_EQ(outcome->value, kProbeExitStatus) << outcome->output;
  EXPECT_EQ(kProbeExitStatus, 85);
}

// Whatever the host's KVM is like, the verdict comes and says why.
TEST_F(AccelerationProbeTest, RealKvmIsJudgedInTime) {
  const AccelerationReport report =
      Probe("/usr/bin/qemu-system-x86_64", AccelerationProbe::kTimeout);

  EXPECT_FALSE(report.reason.empty());
  EXPECT_LT(report.took, absl::Seconds(10));
  RecordProperty("reason", report.reason);
}

}  // namespace
}  // namespace innkeeper
