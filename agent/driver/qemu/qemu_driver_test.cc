// Launches whose QEMU does everything but what it should.
#include "agent/driver/qemu/qemu_driver.h"

#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "agent/driver/qemu/testing/qemu_driver_harness.h"
#include "agent/guest/guest_spec.h"
#include "agent/store/guest_record_codec.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace innkeeper {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr absl::Duration kShort = absl::Milliseconds(200);

std::vector<std::string> NamesOf(const std::vector<nlohmann::json>& commands) {
  std::vector<std::string> names;
  names.reserve(commands.size());
  for (const nlohmann::json& command : commands) {
    names.push_back(command["execute"].get<std::string>());
  }
  return names;
}

class QemuDriverTest : public testing::Test {
 protected:
  ~QemuDriverTest() override {
    if (launch_.joinable()) launch_.join();
  }

  // A launch that failed has been undone, and nobody was told of its guest.
  void ExpectUndone() {
    EXPECT_TRUE(host_.NothingIsLeft());
    EXPECT_EQ(host_.spawner().calls(FakeSpawner::Call::kRelease), 1);
    host_.Settle();
    EXPECT_THAT(host_.sink().lines(), IsEmpty());
    EXPECT_THAT(host_.ConsolePath(), HasReason(reason::kConsoleUnavailable));
  }
  // Launches in the background, for what happens meanwhile.
  void BeginLaunch() {
    launch_ = std::thread([this] { launched_ = host_.Launch(); });
  }
  const absl::StatusOr<DriverGuest>& EndLaunch() {
    launch_.join();
    return launched_;
  }

  QemuDriverHarness host_;
  std::thread launch_;
  absl::StatusOr<DriverGuest> launched_ = absl::UnknownError("not launched");
};

TEST_F(QemuDriverTest, LaunchIsAnsweredOnceTheProcessorsRun) {
  const auto launched = host_.Launch();

  ASSERT_THAT(launched, IsOk());
  EXPECT_EQ(launched->run_state, RunState::kRunning);
  EXPECT_EQ(launched->process.pid, getpid());
  EXPECT_EQ(launched->process.keeper_pid, host_.DeadPid());
  EXPECT_EQ(launched->process.unix_uid, getuid());
  EXPECT_EQ(launched->process.boot_id, "boot");
  EXPECT_EQ(launched->machine_type, "pc-q35-7.2");
  EXPECT_EQ(launched->accel, Accel::kTcg);
  EXPECT_THAT(launched->accel_reason, HasSubstr("/dev/kvm"));
  EXPECT_TRUE(launched->responsive);
  EXPECT_THAT(NamesOf(host_.monitor().WaitForCommands(2)),
              ElementsAre("query-status", "cont"));
  EXPECT_THAT(host_.ConsolePath(),
              IsOkAndHolds(host_.directory() + "/console.sock"));
  host_.Settle();
  EXPECT_THAT(host_.sink().lines(), IsEmpty());
}

TEST_F(QemuDriverTest, ManifestSaysWhatWasDecidedForTheLaunch) {
  ASSERT_THAT(host_.Launch(), IsOk());

  const std::vector<LaunchPlan> plans = host_.spawner().launched();
  ASSERT_EQ(plans.size(), 1u);
  const auto manifest = ParseGuestRecord(plans[0].manifest);

  ASSERT_THAT(manifest, IsOk());
  EXPECT_EQ(manifest->resolved_machine_type, "pc-q35-7.2");
  EXPECT_EQ(manifest->accel_used, Accel::kTcg);
  EXPECT_EQ(manifest->owner, "user/ada");
}

TEST_F(QemuDriverTest, GuestThatStartsPausedIsNotLetRun) {
  GuestRecord record = host_.Record();
  record.spec.start_paused = true;

  const auto launched = host_.Launch(record);

  ASSERT_THAT(launched, IsOk());
  EXPECT_EQ(launched->run_state, RunState::kPaused);
  // What is sent next is the second command.
  ASSERT_THAT(host_.Call(&GuestDriver::Pause), IsOk());
  EXPECT_THAT(NamesOf(host_.monitor().WaitForCommands(2)),
              ElementsAre("query-status", "stop"));
}

TEST_F(QemuDriverTest, MonitorThatGreetsLateIsWaitedFor) {
  host_.monitor().SetGreeting("");
  // Said to the client once there is one.
  host_.monitor().Send(FakeQmpServer::kGreeting);

  EXPECT_THAT(host_.Launch(), IsOk());
}

TEST_F(QemuDriverTest, MonitorThatNeverListensEndsTheLaunch) {
  host_.listens = false;
  host_.timings.handshake = kShort;

  const auto launched = host_.Launch();

  EXPECT_THAT(launched, StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(launched, HasReason(reason::kGuestUnresponsive));
  ExpectUndone();
}

TEST_F(QemuDriverTest, MonitorThatNeverGreetsEndsTheLaunch) {
  host_.monitor().SetGreeting("");
  host_.timings.handshake = kShort;

  const auto launched = host_.Launch();

  EXPECT_THAT(launched, StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(launched, HasReason(reason::kGuestUnresponsive));
  ExpectUndone();
}

TEST_F(QemuDriverTest, MonitorThatGreetsWithGarbageEndsTheLaunch) {
  host_.monitor().SetGreeting("220 mail.example.org ESMTP\r\n");

  const auto launched = host_.Launch();

  EXPECT_THAT(launched, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(launched, HasReason(reason::kMonitorProtocol));
  ExpectUndone();
}

TEST_F(QemuDriverTest, StateThatIsNoneEndsTheLaunch) {
  host_.monitor().Reply("query-status", {{"status", 7}});

  EXPECT_THAT(host_.Launch(), HasReason(reason::kMonitorProtocol));
  ExpectUndone();
}

TEST_F(QemuDriverTest, MonitorOfAnotherProcessGetsNoConversation) {
  host_.spawner().SetProcess(getppid(), host_.DeadPid(), getuid());

  const auto launched = host_.Launch();

  EXPECT_THAT(launched, StatusIs(absl::StatusCode::kFailedPrecondition,
                                 HasSubstr(absl::StrCat(getpid()))));
  EXPECT_THAT(launched, HasReason(reason::kMonitorProtocol));
  ExpectUndone();
}

TEST_F(QemuDriverTest, MonitorOfAnotherUserGetsNoConversation) {
  host_.spawner().SetProcess(getpid(), host_.DeadPid(), getuid() + 1);

  const auto launched = host_.Launch();

  EXPECT_THAT(launched, HasReason(reason::kMonitorProtocol));
  EXPECT_EQ(DetailsOf(launched.status()).metadata.at("uid"),
            absl::StrCat(getuid()));
  ExpectUndone();
}

TEST_F(QemuDriverTest, GuestThatMayNotRunIsNotLaunched) {
  host_.monitor().Fail("cont", "GenericError", "Resetting the Virtual Machine");

  const auto launched = host_.Launch();

  EXPECT_THAT(launched, StatusIs(absl::StatusCode::kFailedPrecondition,
                                 HasSubstr("Resetting the Virtual Machine")));
  EXPECT_THAT(launched, HasReason(reason::kMonitorCommandFailed));
  ExpectUndone();
}

TEST_F(QemuDriverTest, ProcessThatEndsAtOnceSaysWhyInItsOwnWords) {
  host_.listens = false;
  host_.at_launch = [this] {
    host_.WriteErrorText("qemu-system-x86_64: -m: invalid size\n");
    host_.WriteExitRecord("exited", 1);
    host_.spawner().Exit("web");
  };

  const auto launched = host_.Launch();

  EXPECT_THAT(launched, StatusIs(absl::StatusCode::kFailedPrecondition,
                                 AllOf(HasSubstr("status 1"),
                                       HasSubstr("-m: invalid size"))));
  EXPECT_THAT(launched, HasReason(reason::kGuestExited));
  ExpectUndone();
}

TEST_F(QemuDriverTest, ProcessEndedByASignalSaysWhich) {
  host_.listens = false;
  host_.at_launch = [this] {
    host_.WriteExitRecord("signaled", 31);
    host_.spawner().Exit("web");
  };

  EXPECT_THAT(host_.Launch(), StatusIs(absl::StatusCode::kFailedPrecondition,
                                       HasSubstr("signal 31")));
  ExpectUndone();
}

TEST_F(QemuDriverTest, ImageThatAnotherProcessHasIsNamed) {
  GuestRecord record = host_.Record();
  record.spec.disks = {
      {{"main", "base"}, DiskFormat::kRaw, DiskMode::kEphemeral, ""},
      {{"main", "data"}, DiskFormat::kRaw, DiskMode::kReadWrite, ""}};
  for (const char* volume : {"base", "data"}) {
    host_.spawner().AddImage("main", volume, std::string(4096, '\0'));
  }
  host_.listens = false;
  host_.at_launch = [this] {
    // The first disk has two sets, for its image and its overlay.
    host_.WriteErrorText(
        "qemu-system-x86_64: -device: Failed to get \"write\" lock\n"
        "Is another process using the image [/dev/fdset/3]?\n");
    host_.WriteExitRecord("exited", 1);
    host_.spawner().Exit("web");
  };

  const auto launched = host_.Launch(record);

  EXPECT_THAT(launched, StatusIs(absl::StatusCode::kFailedPrecondition,
                                 HasSubstr("pools/main/volumes/data")));
  EXPECT_THAT(launched, HasReason(reason::kImageInUse));
  ExpectUndone();
}

TEST_F(QemuDriverTest, GuestWithoutLocksOnItsImagesIsNotLetRun) {
  host_.WriteErrorText(
      "qemu-system-x86_64: warning: Failed to open /dev/null for OFD lock "
      "probing: Permission denied\n");

  const auto launched = host_.Launch();

  EXPECT_THAT(launched, StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(launched, HasReason(reason::kImageLockingOff));
  EXPECT_THAT(NamesOf(host_.monitor().WaitForCommands(1)),
              Not(Contains("cont")));
  ExpectUndone();
}

TEST_F(QemuDriverTest, WhatTheLauncherRefusesIsSaidAsItIs) {
  host_.spawner().FailNext(
      FakeSpawner::Call::kLaunch,
      Error(absl::StatusCode::kResourceExhausted, reason::kTooManyGuests,
            "this host has its 512 guests")
          .Build());

  const auto launched = host_.Launch();

  EXPECT_THAT(launched, StatusIs(absl::StatusCode::kResourceExhausted,
                                 "this host has its 512 guests"));
  EXPECT_THAT(launched, HasReason(reason::kTooManyGuests));
  EXPECT_TRUE(host_.NothingIsLeft());
}

TEST_F(QemuDriverTest, LaunchOfUnknownOutcomeIsUndone) {
  host_.spawner().FailNext(
      FakeSpawner::Call::kLaunch,
      Error(absl::StatusCode::kDeadlineExceeded, reason::kDeadlineExceeded,
            "the launcher did not answer")
          .Build());

  EXPECT_THAT(host_.Launch(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(host_.spawner().calls(FakeSpawner::Call::kRelease), 1);
}

TEST_F(QemuDriverTest, LaunchThatCannotBePlannedAsksTheLauncherForNothing) {
  GuestRecord record = host_.Record();
  record.spec.accel = Accel::kKvm;

  EXPECT_THAT(host_.Launch(record),
              HasReason(reason::kAccelerationUnavailable));
  EXPECT_EQ(host_.spawner().calls(FakeSpawner::Call::kLaunch), 0);
  EXPECT_EQ(host_.spawner().calls(FakeSpawner::Call::kRelease), 0);
  // The id is free.
  EXPECT_THAT(host_.Launch(), IsOk());
}

TEST_F(QemuDriverTest, UndoingThatFailsDoesNotHideWhyTheLaunchDid) {
  host_.monitor().Fail("cont", "GenericError", "no");
  host_.spawner().FailNext(FakeSpawner::Call::kRelease,
                           absl::InternalError("scripted"));

  EXPECT_THAT(host_.Launch(), HasReason(reason::kMonitorCommandFailed));
}

TEST_F(QemuDriverTest, GuestKilledInItsLaunchEndsTheLaunch) {
  host_.monitor().Ignore("cont");
  BeginLaunch();
  ASSERT_EQ(host_.monitor().WaitForCommands(2).size(), 2u);

  EXPECT_THAT(host_.Call(&GuestDriver::Kill), IsOk());

  EXPECT_THAT(EndLaunch(), StatusIs(absl::StatusCode::kFailedPrecondition,
                                    HasSubstr("signal 9")));
  EXPECT_THAT(launched_, HasReason(reason::kGuestExited));
  ExpectUndone();
}

// What a monitor that fails in the middle of a launch leads to, wherever that
// is: the step is the command that gets no answer.
class BrokenMonitorTest : public QemuDriverTest,
                          public testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    host_.monitor().Ignore(GetParam());
    expected_ = std::string(GetParam()) == "cont" ? 2 : 1;
  }
  void AwaitStep() {
    ASSERT_EQ(host_.monitor().WaitForCommands(expected_).size(), expected_);
  }

  size_t expected_ = 0;
};

TEST_P(BrokenMonitorTest, SilenceEndsTheLaunch) {
  host_.timings.handshake = 2 * kShort;

  const auto launched = host_.Launch();

  EXPECT_THAT(launched, StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(launched, HasReason(reason::kGuestUnresponsive));
  ExpectUndone();
}

TEST_P(BrokenMonitorTest, HangUpOfAProcessThatLivesEndsTheLaunch) {
  host_.timings.hung_up = kShort;
  host_.timings.redial = absl::Minutes(5);
  BeginLaunch();
  AwaitStep();

  host_.monitor().HangUp();

  EXPECT_THAT(EndLaunch(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(launched_, HasReason(reason::kMonitorClosed));
  ExpectUndone();
}

TEST_P(BrokenMonitorTest, HangUpOfAProcessThatEndsIsItsEnd) {
  BeginLaunch();
  AwaitStep();

  host_.monitor().HangUp();
  host_.WriteErrorText("qemu-system-x86_64: out of memory\n");
  host_.WriteExitRecord("signaled", 6);
  host_.spawner().Exit("web");

  EXPECT_THAT(EndLaunch(), StatusIs(absl::StatusCode::kFailedPrecondition,
                                    AllOf(HasSubstr("signal 6"),
                                          HasSubstr("out of memory"))));
  EXPECT_THAT(launched_, HasReason(reason::kGuestExited));
  ExpectUndone();
}

TEST_P(BrokenMonitorTest, GarbageEndsTheLaunch) {
  host_.timings.hung_up = kShort;
  host_.timings.redial = absl::Minutes(5);
  host_.monitor().ReplyRaw(GetParam(), "}{ \xff not json\r\n");

  const auto launched = host_.Launch();

  EXPECT_THAT(launched, StatusIs(absl::StatusCode::kUnavailable));
  ExpectUndone();
}

INSTANTIATE_TEST_SUITE_P(Steps, BrokenMonitorTest,
                         testing::Values("query-status", "cont"),
                         [](const testing::TestParamInfo<const char*>& info) {
                           return info.param == std::string("cont") ? "Cont"
                                                                    : "Status";
                         });

TEST_F(QemuDriverTest, ExplanationTellsDescriptorsAndEveryStepOfTheJail) {
  host_.spawner().AddImage("main", "data", std::string(4096, '\0'));
  GuestRecord record = host_.Record();
  record.spec.disks = {
      {{"main", "data"}, DiskFormat::kRaw, DiskMode::kReadWrite, ""}};

  const auto explained = host_.Explain(record);

  ASSERT_THAT(explained, IsOk());
  EXPECT_EQ(explained->machine_type, "pc-q35-7.2");
  EXPECT_EQ(explained->argv[0], "/usr/bin/qemu-system-x86_64");
  std::vector<std::string> fds;
  for (const ExplainedFd& fd : explained->fds) fds.push_back(fd.what);
  EXPECT_THAT(
      fds, ElementsAre("memory", "serial console", "monitor", "second monitor",
                       "pools/main/volumes/data (read-write)"));
  EXPECT_THAT(explained->steps, Contains(HasSubstr("exec_qemu: ")));
  EXPECT_EQ(host_.spawner().calls(FakeSpawner::Call::kLaunch), 0);
}

}  // namespace
}  // namespace innkeeper
