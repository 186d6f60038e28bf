// Guests that run: what they do by themselves, what is done to them, and what a
// driver that comes later finds of them.
#include <unistd.h>

#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "agent/driver/qemu/qemu_driver.h"
#include "agent/driver/qemu/testing/qemu_driver_harness.h"
#include "agent/host/host_facts.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace innkeeper {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr absl::Duration kShort = absl::Milliseconds(100);

using Json = nlohmann::json;

class QemuDriverRunTest : public testing::Test {
 protected:
  void Run() { ASSERT_THAT(host_.Launch(), IsOk()); }

  QemuDriverHarness host_;
};

TEST_F(QemuDriverRunTest, EventsOfTheMonitorAreToldOnceAndInOrder) {
  Run();

  host_.monitor().SendEvent("STOP", Json::object());
  host_.monitor().SendEvent("RESUME", Json::object());
  host_.monitor().SendEvent("RESET", {{"guest", true}});
  host_.monitor().SendEvent("RESET", {{"guest", false}});
  host_.monitor().SendEvent("STOP", Json::object());

  EXPECT_THAT(host_.sink().WaitFor(5),
              ElementsAre("web paused", "web running", "web reset by guest",
                          "web reset", "web paused"));
}

TEST_F(QemuDriverRunTest, EventsThatSayNothingOfTheStateAreNotTold) {
  Run();

  host_.monitor().SendEvent("GUEST_PANICKED", {{"action", "poweroff"}});
  host_.monitor().SendEvent("SHUTDOWN",
                            {{"guest", true}, {"reason", "guest-panic"}});
  host_.monitor().SendEvent("BLOCK_IO_ERROR", {{"action", "report"}});
  host_.monitor().SendEvent("SOME_LATER_EVENT", Json::object());
  // A reset whose cause is no truth value has no cause.
  host_.monitor().SendEvent("RESET", {{"guest", "yes"}});

  EXPECT_THAT(host_.sink().WaitFor(1), ElementsAre("web reset"));
}

TEST_F(QemuDriverRunTest, ShutdownIsToldByTheEndOfTheProcess) {
  Run();
  host_.monitor().SendEvent("SHUTDOWN",
                            {{"guest", true}, {"reason", "guest-shutdown"}});
  host_.WriteExitRecord("exited", 0);

  host_.spawner().Exit("web");

  EXPECT_THAT(host_.sink().WaitFor(1), ElementsAre("web exited 0"));
  EXPECT_EQ(host_.sink().exit().time, absl::FromUnixMillis(1800000000123));
  // It is gone for every call, until it is removed.
  for (const auto method : {&GuestDriver::Pause, &GuestDriver::Resume,
                            &GuestDriver::PowerDown, &GuestDriver::Reset}) {
    const absl::Status status = host_.Call(method);
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound));
    EXPECT_THAT(status, HasReason(reason::kGuestExited));
  }
  EXPECT_THAT(host_.ConsolePath(), HasReason(reason::kConsoleUnavailable));
  EXPECT_THAT(host_.Call(&GuestDriver::Kill), IsOk());
  EXPECT_THAT(host_.Call(&GuestDriver::Remove), IsOk());
  EXPECT_TRUE(host_.NothingIsLeft());
  EXPECT_THAT(host_.sink().lines(), SizeIs(1));
}

TEST_F(QemuDriverRunTest, LastWordsComeWithTheExitButNoMoreThanFourKibibytes) {
  Run();
  host_.WriteErrorText(std::string(9000, 'x') + "the last words\n");
  host_.WriteExitRecord("signaled", 6);

  host_.spawner().Exit("web");

  EXPECT_THAT(host_.sink().WaitFor(1), ElementsAre("web signaled 6"));
  const std::string text = host_.sink().error_text();
  EXPECT_LE(text.size(), 4096u);
  EXPECT_THAT(text, testing::EndsWith("the last words"));
}

TEST_F(QemuDriverRunTest, KeeperThatIsStillThereIsWaitedFor) {
  // It lives: it is this test.
  host_.spawner().SetProcess(getpid(), getpid(), getuid());
  host_.timings.exit_record = absl::Seconds(20);
  Run();

  host_.spawner().Exit("web");
  host_.Settle();
  EXPECT_THAT(host_.sink().lines(), IsEmpty());
  host_.WriteExitRecord("exited", 3);

  EXPECT_THAT(host_.sink().WaitFor(1), ElementsAre("web exited 3"));
}

TEST_F(QemuDriverRunTest, KeeperThatLeavesNoWordIsNotWaitedForForEver) {
  host_.spawner().SetProcess(getpid(), getpid(), getuid());
  host_.timings.exit_record = kShort;
  Run();

  host_.spawner().Exit("web");

  EXPECT_THAT(host_.sink().WaitFor(1), ElementsAre("web lost"));
}

TEST_F(QemuDriverRunTest, ExitRecordThatIsNoneCountsAsNone) {
  Run();
  host_.WriteExitRecord("promoted", 0);

  host_.spawner().Exit("web");

  EXPECT_THAT(host_.sink().WaitFor(1), ElementsAre("web lost"));
}

TEST_F(QemuDriverRunTest, KilledGuestIsToldAsKilledThoughNobodyIsLeftToSaySo) {
  // As if the keeper, which is killed as well, were not reaped yet.
  host_.spawner().SetProcess(getpid(), getpid(), getuid());
  host_.timings.exit_record = absl::Minutes(5);
  Run();

  EXPECT_THAT(host_.Call(&GuestDriver::Kill), IsOk());

  EXPECT_THAT(host_.sink().WaitFor(1), ElementsAre("web signaled 9"));
  EXPECT_THAT(host_.Call(&GuestDriver::Kill), IsOk());
}

TEST_F(QemuDriverRunTest, KillThatIsRefusedLeavesTheGuestAndItsWatch) {
  host_.spawner().SetProcess(getpid(), getpid(), getuid());
  host_.timings.exit_record = absl::Seconds(20);
  Run();
  host_.spawner().FailNext(FakeSpawner::Call::kKill,
                           absl::UnavailableError("scripted"));

  EXPECT_THAT(host_.Call(&GuestDriver::Kill),
              StatusIs(absl::StatusCode::kUnavailable));

  EXPECT_THAT(host_.Call(&GuestDriver::Pause), IsOk());
  // Whatever ends it later is told as it was, and waited for.
  host_.spawner().Exit("web");
  host_.Settle();
  EXPECT_THAT(host_.sink().lines(), IsEmpty());
  host_.WriteExitRecord("exited", 0);
  EXPECT_THAT(host_.sink().WaitFor(1), ElementsAre("web exited 0"));
}

TEST_F(QemuDriverRunTest, PowerButtonThatTheGuestIgnoresLeavesItToBeKilled) {
  Run();

  EXPECT_THAT(host_.Call(&GuestDriver::PowerDown), IsOk());

  EXPECT_THAT(host_.Call(&GuestDriver::Reset), IsOk());
  EXPECT_THAT(host_.sink().lines(), IsEmpty());
  EXPECT_THAT(host_.Call(&GuestDriver::Kill), IsOk());
  EXPECT_THAT(host_.sink().WaitFor(1), ElementsAre("web signaled 9"));
}

TEST_F(QemuDriverRunTest, CommandThatQemuRefusesSaysSoAndChangesNothing) {
  Run();
  host_.monitor().Fail("stop", "GenericError", "not now");

  EXPECT_THAT(host_.Call(&GuestDriver::Pause),
              HasReason(reason::kMonitorCommandFailed));

  EXPECT_THAT(host_.Call(&GuestDriver::Resume), IsOk());
  EXPECT_THAT(host_.sink().lines(), IsEmpty());
}

TEST_F(QemuDriverRunTest, SilentMonitorIsToldAndAskedUntilItAnswers) {
  host_.timings.command = kShort;
  host_.timings.probe = kShort;
  Run();
  host_.monitor().Ignore("stop");
  host_.monitor().Ignore("query-status");

  const absl::Status paused = host_.Call(&GuestDriver::Pause);

  EXPECT_THAT(paused, StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(paused, HasReason(reason::kGuestUnresponsive));
  ASSERT_TRUE(host_.sink().WaitForLine("web unresponsive"));
  host_.monitor().Reply("query-status", {{"status", "running"}});
  EXPECT_THAT(host_.sink().WaitFor(2),
              ElementsAre("web unresponsive", "web responsive"));
}

TEST_F(QemuDriverRunTest, LostMonitorIsConnectedToAgainWithoutAWord) {
  host_.timings.redial = absl::Milliseconds(1);
  Run();

  host_.monitor().HangUp();

  // The third query-status is that of the new connection.
  const auto commands = host_.monitor().WaitForCommands(3);
  ASSERT_THAT(commands, SizeIs(3));
  EXPECT_EQ(commands[2]["execute"], "query-status");
  EXPECT_THAT(host_.Call(&GuestDriver::Pause), IsOk());
  EXPECT_THAT(host_.sink().lines(), IsEmpty());
}

TEST_F(QemuDriverRunTest, CommandOfALostMonitorSaysToTryAgain) {
  host_.timings.redial = absl::Minutes(5);
  Run();
  host_.monitor().Ignore("stop");
  std::thread hang_up([this] {
    host_.monitor().WaitForCommands(3);
    host_.monitor().HangUp();
  });

  EXPECT_THAT(host_.Call(&GuestDriver::Pause),
              HasReason(reason::kMonitorClosed));
  hang_up.join();
  const absl::Status resumed = host_.Call(&GuestDriver::Resume);

  EXPECT_THAT(resumed, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(resumed, HasReason(reason::kMonitorClosed));
}

TEST_F(QemuDriverRunTest, MonitorThatStaysLostIsToldUntilItIsBack) {
  host_.timings.redial = absl::Milliseconds(10);
  host_.timings.probe = kShort;
  Run();

  host_.monitor().SetGreeting("");
  host_.monitor().HangUp();
  ASSERT_TRUE(host_.sink().WaitForLine("web unresponsive"));
  host_.monitor().SetGreeting(FakeQmpServer::kGreeting);

  EXPECT_TRUE(host_.sink().WaitForLine("web responsive"));
}

TEST_F(QemuDriverRunTest, RemovedGuestIsNotHeardOfAgain) {
  Run();

  EXPECT_THAT(host_.Call(&GuestDriver::Remove), IsOk());

  host_.Settle();
  EXPECT_THAT(host_.sink().lines(), IsEmpty());
  EXPECT_TRUE(host_.NothingIsLeft());
  EXPECT_THAT(host_.Call(&GuestDriver::Pause), HasReason(reason::kGuestExited));
  EXPECT_THAT(host_.Call(&GuestDriver::Remove), IsOk());
}

class QemuDriverAdoptTest : public QemuDriverRunTest {
 protected:
  void FindIt() {
    const auto found = host_.Find();
    ASSERT_THAT(found, IsOk());
    ASSERT_THAT(*found, SizeIs(1));
    EXPECT_TRUE((*found)[0].running);
  }
  // Adopts the guest whose monitor says `status`.
  absl::StatusOr<DriverGuest> AdoptIn(const char* status, bool let_run) {
    host_.monitor().Reply("query-status", {{"status", status}});
    host_.AddEarlierGuest();
    FindIt();
    return host_.Adopt(let_run);
  }
  // How many commands there were when `adopted` was answered.
  size_t Commands() { return host_.monitor().WaitForCommands(0).size(); }
};

TEST_F(QemuDriverAdoptTest, RunningGuestIsTakenOverAsItIs) {
  const auto adopted = AdoptIn("running", /*let_run=*/true);

  ASSERT_THAT(adopted, IsOk());
  EXPECT_EQ(adopted->run_state, RunState::kRunning);
  EXPECT_TRUE(adopted->responsive);
  EXPECT_EQ(adopted->process.pid, getpid());
  EXPECT_EQ(Commands(), 1u);
  EXPECT_THAT(host_.Call(&GuestDriver::Pause), IsOk());
  host_.monitor().SendEvent("STOP", Json::object());
  EXPECT_THAT(host_.sink().WaitFor(1), ElementsAre("web paused"));
}

TEST_F(QemuDriverAdoptTest, GuestThatWasPausedStaysSo) {
  const auto adopted = AdoptIn("paused", /*let_run=*/true);

  ASSERT_THAT(adopted, IsOk());
  EXPECT_EQ(adopted->run_state, RunState::kPaused);
  EXPECT_EQ(Commands(), 1u);
}

TEST_F(QemuDriverAdoptTest, LaunchThatWasCutOffIsBroughtToItsEnd) {
  const auto adopted = AdoptIn("prelaunch", /*let_run=*/true);

  ASSERT_THAT(adopted, IsOk());
  EXPECT_EQ(adopted->run_state, RunState::kRunning);
  EXPECT_EQ(host_.monitor().WaitForCommands(2)[1]["execute"], "cont");
}

TEST_F(QemuDriverAdoptTest, GuestThatStartedPausedIsNotLetRun) {
  const auto adopted = AdoptIn("prelaunch", /*let_run=*/false);

  ASSERT_THAT(adopted, IsOk());
  EXPECT_EQ(adopted->run_state, RunState::kPaused);
  EXPECT_EQ(Commands(), 1u);
}

TEST_F(QemuDriverAdoptTest, UnknownGuestIsGone) {
  const auto adopted = host_.Adopt(false);

  EXPECT_THAT(adopted, StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(adopted, HasReason(reason::kGuestExited));
}

TEST_F(QemuDriverAdoptTest, ProcessThatHasGotThePidSinceIsNotTheGuest) {
  host_.AddEarlierGuest();
  KnownGuest impostor;
  impostor.guest = "web";
  impostor.running = true;
  impostor.pid = getpid();
  impostor.unix_uid = getuid();
  impostor.start_time_ticks = 1;
  host_.spawner().AddGuest(impostor);
  FindIt();

  EXPECT_THAT(host_.Adopt(false), HasReason(reason::kGuestExited));
}

TEST_F(QemuDriverAdoptTest, SilentGuestIsAdoptedAndToldOnceItAnswers) {
  host_.timings.adopt = kShort;
  host_.timings.redial = absl::Milliseconds(10);
  host_.monitor().SetGreeting("");
  const auto adopted = AdoptIn("running", /*let_run=*/false);
  ASSERT_THAT(adopted, IsOk());
  EXPECT_FALSE(adopted->responsive);

  host_.monitor().SetGreeting(FakeQmpServer::kGreeting);

  EXPECT_TRUE(host_.sink().WaitForLine("web responsive"));
  EXPECT_THAT(host_.Call(&GuestDriver::Pause), IsOk());
}

TEST_F(QemuDriverAdoptTest, MonitorOfAnotherProcessIsNotBelieved) {
  host_.timings.redial = absl::Minutes(5);
  host_.AddEarlierGuest();
  KnownGuest other;
  other.guest = "web";
  other.running = true;
  other.pid = getppid();
  other.unix_uid = getuid();
  other.start_time_ticks = ReadStartTimeTicks(getppid()).value_or(0);
  host_.spawner().AddGuest(other);
  FindIt();

  const auto adopted = host_.Adopt(/*let_run=*/true);

  ASSERT_THAT(adopted, IsOk());
  EXPECT_FALSE(adopted->responsive);
  EXPECT_EQ(Commands(), 0u);
}

TEST_F(QemuDriverAdoptTest, GuestThatEndedMeanwhileIsFoundWithItsLastWords) {
  KnownGuest ended;
  ended.guest = "web";
  ended.uid = host_.Record().uid;
  ended.manifest = "no manifest";
  host_.spawner().AddGuest(ended);
  host_.WriteExitRecord("exited", 3);
  host_.WriteErrorText("it was full\n");

  const auto found = host_.Find();

  ASSERT_THAT(found, IsOk());
  ASSERT_THAT(*found, SizeIs(1));
  EXPECT_FALSE((*found)[0].running);
  EXPECT_EQ((*found)[0].record.id, "web");
  EXPECT_EQ((*found)[0].record.uid, host_.Record().uid);
  ASSERT_TRUE((*found)[0].exit.has_value());
  EXPECT_EQ((*found)[0].exit->value, 3);
  EXPECT_EQ((*found)[0].error_text, "it was full");
  EXPECT_THAT(host_.Adopt(false), HasReason(reason::kGuestExited));
}

TEST_F(QemuDriverAdoptTest, ManifestIsFoundAgainWhole) {
  host_.AddEarlierGuest();

  const auto found = host_.Find();

  ASSERT_THAT(found, IsOk());
  ASSERT_THAT(*found, SizeIs(1));
  EXPECT_EQ((*found)[0].record.owner, "user/ada");
  EXPECT_EQ((*found)[0].record.resolved_machine_type, "pc-q35-7.2");
  EXPECT_EQ((*found)[0].process.boot_id, "boot");
}

TEST_F(QemuDriverAdoptTest, LauncherThatIsGoneIsSaid) {
  host_.spawner().Disconnect();

  EXPECT_THAT(host_.Find(), HasReason(reason::kLauncherUnavailable));
  EXPECT_THAT(host_.Launch(), HasReason(reason::kLauncherUnavailable));
}

}  // namespace
}  // namespace innkeeper
