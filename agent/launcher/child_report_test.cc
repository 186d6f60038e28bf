#include "agent/launcher/child_report.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "base/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

class ChildReportTest : public testing::Test {
 protected:
  void SetUp() override {
    absl::StatusOr<StatusChannel> channel = MakeStatusChannel();
    ASSERT_THAT(channel, IsOk());
    channel_ = *std::move(channel);
  }
  absl::StatusOr<ReceivedReport> Receive() {
    return ReceiveReport(channel_.launcher.get(),
                         absl::Now() + absl::Seconds(20));
  }

  StatusChannel channel_;
};

TEST_F(ChildReportTest, SenderIsTheOneThatTheKernelAttests) {
  const pid_t child = fork();
  if (child == 0) {
    ChildReport report;
    report.kind = ChildReport::Kind::kQemuReady;
    report.start_time_ticks = 77;
    SendReport(channel_.child.get(), report, -1);
    _exit(0);
  }
  const absl::StatusOr<ReceivedReport> received = Receive();
  ASSERT_EQ(waitpid(child, nullptr, 0), child);

  ASSERT_THAT(received, IsOk());
  EXPECT_FALSE(received->closed);
  EXPECT_EQ(received->pid, child);
  EXPECT_EQ(received->uid, getuid());
  EXPECT_EQ(received->report.kind, ChildReport::Kind::kQemuReady);
  EXPECT_EQ(received->report.start_time_ticks, 77u);
  EXPECT_FALSE(received->fd.valid());
}

TEST_F(ChildReportTest, DescriptorComesWithItsReportAndClosesOnExec) {
  const UniqueFd null(open("/dev/null", O_RDONLY | O_CLOEXEC));
  ChildReport report;
  report.kind = ChildReport::Kind::kForked;

  SendReport(channel_.child.get(), report, null.get());

  const absl::StatusOr<ReceivedReport> received = Receive();
  ASSERT_THAT(received, IsOk());
  ASSERT_TRUE(received->fd.valid());
  EXPECT_NE(fcntl(received->fd.get(), F_GETFD) & FD_CLOEXEC, 0);
  char byte;
  EXPECT_EQ(read(received->fd.get(), &byte, 1), 0);
}

TEST_F(ChildReportTest, FailureSaysWhichStepAndWhy) {
  SendReport(channel_.child.get(),
             FailureReport(LaunchStep::kExecQemu,
                           ErrnoError(ENOENT, "execute /usr/bin/qemu")),
             -1);

  const absl::StatusOr<ReceivedReport> received = Receive();
  ASSERT_THAT(received, IsOk());
  EXPECT_EQ(received->report.kind, ChildReport::Kind::kFailed);
  EXPECT_EQ(received->report.step, LaunchStep::kExecQemu);
  EXPECT_EQ(received->report.error, ENOENT);
  EXPECT_THAT(std::string(received->report.text),
              testing::StartsWith("execute /usr/bin/qemu"));
}

TEST_F(ChildReportTest, LongTextIsCutAndStillEnds) {
  const ChildReport report = FailureReport(
      LaunchStep::kCheck, absl::InternalError(std::string(1000, 'x')));
  EXPECT_EQ(std::string(report.text), std::string(159, 'x'));
  EXPECT_EQ(report.error, 0);
}

TEST_F(ChildReportTest, TextWithoutAnEndIsGivenOne) {
  ChildReport report;
  for (char& c : report.text) c = 'x';
  SendReport(channel_.child.get(), report, -1);

  const absl::StatusOr<ReceivedReport> received = Receive();
  ASSERT_THAT(received, IsOk());
  EXPECT_EQ(std::string(received->report.text), std::string(159, 'x'));
}

TEST_F(ChildReportTest, EndOfAllWritersIsNoticed) {
  channel_.child.reset();

  const absl::StatusOr<ReceivedReport> received = Receive();
  ASSERT_THAT(received, IsOk());
  EXPECT_TRUE(received->closed);
}

TEST_F(ChildReportTest, SilenceEndsAtTheDeadline) {
  EXPECT_THAT(ReceiveReport(channel_.launcher.get(), absl::Now()),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(
      ReceiveReport(channel_.launcher.get(), absl::Now() - absl::Hours(1)),
      HasReason(reason::kGuestLaunchFailed));
}

TEST_F(ChildReportTest, DatagramOfAnotherSizeIsNoReport) {
  ASSERT_EQ(send(channel_.child.get(), "short", 5, 0), 5);
  EXPECT_THAT(Receive(), HasReason(reason::kSystemError));
}

TEST_F(ChildReportTest, SenderNeverWaitsAndNeverDiesOfItsReader) {
  // More than any buffer holds.
  for (int i = 0; i < 10'000; ++i) {
    SendReport(channel_.child.get(), ChildReport(), -1);
  }
  channel_.launcher.reset();
  SendReport(channel_.child.get(), ChildReport(), -1);
}

}  // namespace
}  // namespace innkeeper
