#include "agent/driver/testing/driver_conformance.h"

#include <signal.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "agent/qmp/testing/await.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "base/uuid.h"
#include "gmock/gmock.h"

namespace innkeeper {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

// The longest that a driver of a test's may take for anything: Await() gives up
// after that.
template <typename Answer>
Answer CallAndWait(EventLoop& loop,
                   std::function<void(absl::AnyInvocable<void(Answer)>)> call) {
  return Await<Answer>(&loop, [&](absl::AnyInvocable<void(Answer)> done) {
    auto inside = std::make_shared<bool>(true);
    call([inside, &loop, done = std::move(done)](Answer answer) mutable {
      EXPECT_FALSE(*inside) << "completed inside the call";
      EXPECT_TRUE(loop.OnLoopThread());
      done(std::move(answer));
    });
    *inside = false;
  });
}

}  // namespace

DriverConformanceTest::DriverConformanceTest() : host_(GetParam()()) {
  host_->loop().PostAndWait([this] { host_->driver().SetEventSink(&sink_); });
}

GuestRecord DriverConformanceTest::Record(const std::string& guest) {
  GuestRecord record;
  record.id = guest;
  record.uid = MakeUuid();
  record.owner = "user/ada";
  record.spec = host_->MakeSpec();
  return record;
}

absl::StatusOr<LaunchExplanation> DriverConformanceTest::Explain(
    const GuestRecord& record) {
  return CallAndWait<absl::StatusOr<LaunchExplanation>>(
      host_->loop(), [&](Completion<LaunchExplanation> done) {
        host_->driver().Explain(record, std::move(done));
      });
}

absl::StatusOr<DriverGuest> DriverConformanceTest::Launch(
    const GuestRecord& record) {
  return CallAndWait<absl::StatusOr<DriverGuest>>(
      host_->loop(), [&](Completion<DriverGuest> done) {
        host_->driver().Launch(record, std::move(done));
      });
}

absl::StatusOr<std::vector<FoundGuest>> DriverConformanceTest::Find() {
  return CallAndWait<absl::StatusOr<std::vector<FoundGuest>>>(
      host_->loop(), [&](Completion<std::vector<FoundGuest>> done) {
        host_->driver().Find(std::move(done));
      });
}

absl::StatusOr<DriverGuest> DriverConformanceTest::Adopt(
    const GuestRecord& record, bool let_run) {
  return CallAndWait<absl::StatusOr<DriverGuest>>(
      host_->loop(), [&](Completion<DriverGuest> done) {
        host_->driver().Adopt(record, let_run, std::move(done));
      });
}

absl::Status DriverConformanceTest::Call(Verb verb, const std::string& guest) {
  return CallAndWait<absl::Status>(host_->loop(), [&](StatusCompletion done) {
    (host_->driver().*verb)(guest, std::move(done));
  });
}

absl::StatusOr<std::string> DriverConformanceTest::ConsolePath(
    const std::string& guest) {
  absl::StatusOr<std::string> path = absl::UnknownError("not called");
  host_->loop().PostAndWait([&] { path = host_->driver().ConsolePath(guest); });
  return path;
}

GuestProcess DriverConformanceTest::Run(bool start_paused) {
  GuestRecord record = Record("a");
  record.spec.start_paused = start_paused;
  const absl::StatusOr<DriverGuest> launched = Launch(record);
  EXPECT_THAT(launched, IsOk());
  return launched.ok() ? launched->process : GuestProcess();
}

FoundGuest DriverConformanceTest::RestartAndFind() {
  host_->Restart(&later_sink_);
  const absl::StatusOr<std::vector<FoundGuest>> found = Find();
  EXPECT_THAT(found, IsOk());
  if (!found.ok() || found->size() != 1) {
    ADD_FAILURE() << "there is not one guest";
    return FoundGuest();
  }
  return (*found)[0];
}

void DriverConformanceTest::ExpectGone() {
  for (const Verb verb : {&GuestDriver::Pause, &GuestDriver::Resume,
                          &GuestDriver::PowerDown, &GuestDriver::Reset}) {
    const absl::Status status = Call(verb, "a");
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound));
    EXPECT_THAT(status, HasReason(reason::kGuestExited));
  }
  const absl::StatusOr<std::string> path = ConsolePath("a");
  EXPECT_THAT(path, StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(path, HasReason(reason::kConsoleUnavailable));
}

namespace {

TEST_P(DriverConformanceTest, LaunchedGuestRunsAndIsFoundAsItWasLaunched) {
  const GuestRecord record = Record("a");

  const auto launched = Launch(record);

  ASSERT_THAT(launched, IsOk());
  EXPECT_EQ(launched->run_state, RunState::kRunning);
  EXPECT_TRUE(launched->responsive);
  EXPECT_GT(launched->process.pid, 0);
  EXPECT_FALSE(launched->machine_type.empty());
  EXPECT_EQ(launched->accel, Accel::kTcg);
  EXPECT_THAT(ConsolePath("a"), IsOk());
  const auto found = Find();
  ASSERT_THAT(found, IsOk());
  ASSERT_THAT(*found, SizeIs(1));
  EXPECT_TRUE((*found)[0].running);
  EXPECT_EQ((*found)[0].exit, std::nullopt);
  EXPECT_EQ((*found)[0].process, launched->process);
  EXPECT_EQ((*found)[0].record.id, "a");
  EXPECT_EQ((*found)[0].record.uid, record.uid);
  EXPECT_EQ((*found)[0].record.owner, "user/ada");
  // That it runs was the answer: it is no news.
  EXPECT_THAT(sink_.lines(), IsEmpty());
}

TEST_P(DriverConformanceTest, GuestThatStartsPausedDoesUntilItIsLetRun) {
  GuestRecord record = Record("a");
  record.spec.start_paused = true;

  const auto launched = Launch(record);

  ASSERT_THAT(launched, IsOk());
  EXPECT_EQ(launched->run_state, RunState::kPaused);
  EXPECT_THAT(Call(&GuestDriver::Resume, "a"), IsOk());
  EXPECT_THAT(sink_.WaitFor(1), ElementsAre("a running"));
}

TEST_P(DriverConformanceTest, PauseAndResumeAreToldOnceAndMayBeRepeated) {
  Run();

  EXPECT_THAT(Call(&GuestDriver::Pause, "a"), IsOk());
  EXPECT_THAT(Call(&GuestDriver::Pause, "a"), IsOk());
  EXPECT_THAT(Call(&GuestDriver::Resume, "a"), IsOk());
  EXPECT_THAT(Call(&GuestDriver::Resume, "a"), IsOk());
  EXPECT_THAT(Call(&GuestDriver::Pause, "a"), IsOk());

  EXPECT_THAT(sink_.WaitFor(3),
              ElementsAre("a paused", "a running", "a paused"));
}

TEST_P(DriverConformanceTest, ResetIsToldAndNotBlamedOnTheGuest) {
  Run();

  EXPECT_THAT(Call(&GuestDriver::Reset, "a"), IsOk());

  EXPECT_THAT(sink_.WaitFor(1), ElementsAre("a reset"));
}

TEST_P(DriverConformanceTest, PowerButtonThatIsIgnoredLeavesTheGuestRunning) {
  Run();

  EXPECT_THAT(Call(&GuestDriver::PowerDown, "a"), IsOk());
  EXPECT_THAT(Call(&GuestDriver::PowerDown, "a"), IsOk());

  EXPECT_THAT(Call(&GuestDriver::Pause, "a"), IsOk());
  EXPECT_THAT(sink_.WaitFor(1), ElementsAre("a paused"));
}

TEST_P(DriverConformanceTest, KilledGuestIsToldOnceAndGone) {
  Run();
  const absl::Time before = absl::Now();

  EXPECT_THAT(Call(&GuestDriver::Kill, "a"), IsOk());

  EXPECT_THAT(sink_.WaitFor(1), ElementsAre("a signaled 9"));
  EXPECT_GE(sink_.exit().time, before - absl::Seconds(1));
  EXPECT_LE(sink_.exit().time, absl::Now() + absl::Seconds(1));
  EXPECT_THAT(Call(&GuestDriver::Kill, "a"), IsOk());
  ExpectGone();
  const auto found = Find();
  ASSERT_THAT(found, IsOk());
  ASSERT_THAT(*found, SizeIs(1));
  EXPECT_FALSE((*found)[0].running);
  EXPECT_THAT(sink_.lines(), SizeIs(1));
}

TEST_P(DriverConformanceTest, GuestThatCrashesIsToldOnceAndLeavesWord) {
  Run();

  host_->Crash("a");

  EXPECT_THAT(sink_.WaitFor(1), ElementsAre("a signaled 6"));
  ExpectGone();
  const auto found = Find();
  ASSERT_THAT(found, IsOk());
  ASSERT_THAT(*found, SizeIs(1));
  EXPECT_FALSE((*found)[0].running);
  ASSERT_TRUE((*found)[0].exit.has_value());
  EXPECT_EQ((*found)[0].exit->kind, ExitKind::kSignaled);
  EXPECT_EQ((*found)[0].exit->value, SIGABRT);
}

TEST_P(DriverConformanceTest,
       EventsOfAGuestComeInTheirOrderAndNoneAfterItsEnd) {
  Run();

  EXPECT_THAT(Call(&GuestDriver::Pause, "a"), IsOk());
  EXPECT_THAT(Call(&GuestDriver::Resume, "a"), IsOk());
  host_->Crash("a");
  ASSERT_THAT(sink_.WaitFor(3), SizeIs(3));
  EXPECT_THAT(Call(&GuestDriver::Pause, "a"),
              StatusIs(absl::StatusCode::kNotFound));

  EXPECT_THAT(sink_.lines(),
              ElementsAre("a paused", "a running", "a signaled 6"));
}

TEST_P(DriverConformanceTest, RemovedGuestLeavesNothingAndIsNotToldOf) {
  Run();
  ASSERT_FALSE(host_->Leftovers().empty());

  EXPECT_THAT(Call(&GuestDriver::Remove, "a"), IsOk());

  EXPECT_THAT(host_->Leftovers(), IsEmpty());
  EXPECT_THAT(Find(), IsOkAndHolds(IsEmpty()));
  ExpectGone();
  EXPECT_THAT(Call(&GuestDriver::Remove, "a"), IsOk());
  EXPECT_THAT(sink_.lines(), IsEmpty());
  // The id is free.
  EXPECT_THAT(Launch(Record("a")), IsOk());
}

TEST_P(DriverConformanceTest, OnlyARemovedGuestIsForgottenAndAnyUidMayBe) {
  const GuestRecord record = Record("a");
  const std::string& uid = record.uid;
  ASSERT_THAT(Launch(record), IsOk());

  EXPECT_THAT(Call(&GuestDriver::Forget, uid),
              HasReason(reason::kGuestNotStopped));
  EXPECT_THAT(Call(&GuestDriver::Remove, "a"), IsOk());
  EXPECT_THAT(Call(&GuestDriver::Forget, uid), IsOk());
  EXPECT_THAT(Call(&GuestDriver::Forget, uid), IsOk());
}

TEST_P(DriverConformanceTest, GuestThatEndedIsRemovedLikeOneThatRuns) {
  Run();
  host_->Crash("a");
  ASSERT_THAT(sink_.WaitFor(1), SizeIs(1));

  EXPECT_THAT(Call(&GuestDriver::Remove, "a"), IsOk());

  EXPECT_THAT(host_->Leftovers(), IsEmpty());
}

TEST_P(DriverConformanceTest, GuestThatNeverWasIsGone) {
  ExpectGone();
  EXPECT_THAT(Call(&GuestDriver::Kill, "a"), IsOk());
  EXPECT_THAT(Call(&GuestDriver::Remove, "a"), IsOk());
  EXPECT_THAT(Find(), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(Adopt(Record("a"), /*let_run=*/false),
              HasReason(reason::kGuestExited));
}

TEST_P(DriverConformanceTest, LaunchThatCannotBeIsRefusedAndLeavesNothing) {
  GuestRecord record = Record("a");
  record.spec.accel = Accel::kKvm;

  for (const absl::Status& status :
       {Explain(record).status(), Launch(record).status()}) {
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition));
    EXPECT_THAT(status, HasReason(reason::kAccelerationUnavailable));
    EXPECT_THAT(DetailsOf(status).preconditions, SizeIs(1));
  }
  EXPECT_THAT(host_->Leftovers(), IsEmpty());
  ExpectGone();
  EXPECT_THAT(Launch(Record("a")), IsOk());
}

TEST_P(DriverConformanceTest, ExplanationLaunchesNothing) {
  const auto explained = Explain(Record("a"));

  ASSERT_THAT(explained, IsOk());
  EXPECT_FALSE(explained->argv.empty());
  EXPECT_FALSE(explained->machine_type.empty());
  EXPECT_FALSE(explained->steps.empty());
  EXPECT_THAT(host_->Leftovers(), IsEmpty());
}

TEST_P(DriverConformanceTest, GuestsDoNotDisturbEachOther) {
  ASSERT_THAT(Launch(Record("a")), IsOk());
  ASSERT_THAT(Launch(Record("b")), IsOk());

  EXPECT_THAT(Call(&GuestDriver::Kill, "a"), IsOk());
  ASSERT_THAT(sink_.WaitFor(1), ElementsAre("a signaled 9"));
  EXPECT_THAT(Call(&GuestDriver::Pause, "b"), IsOk());

  EXPECT_THAT(sink_.WaitFor(2), ElementsAre("a signaled 9", "b paused"));
}

TEST_P(DriverConformanceTest, GuestOutlivesTheAgentAndIsAdopted) {
  const GuestProcess process = Run();

  const FoundGuest found = RestartAndFind();

  EXPECT_TRUE(found.running);
  EXPECT_EQ(found.process, process);
  // Nobody has it until it is adopted.
  EXPECT_THAT(Call(&GuestDriver::Pause, "a"),
              StatusIs(absl::StatusCode::kNotFound));
  const auto adopted = Adopt(found.record, /*let_run=*/true);
  ASSERT_THAT(adopted, IsOk());
  EXPECT_EQ(adopted->process, process);
  EXPECT_EQ(adopted->run_state, RunState::kRunning);
  EXPECT_TRUE(adopted->responsive);
  EXPECT_THAT(later_sink_.lines(), IsEmpty());
  EXPECT_THAT(Call(&GuestDriver::Pause, "a"), IsOk());
  EXPECT_THAT(Call(&GuestDriver::Kill, "a"), IsOk());
  EXPECT_THAT(later_sink_.WaitFor(2), ElementsAre("a paused", "a signaled 9"));
  // Whoever went before is not told any more.
  EXPECT_THAT(sink_.lines(), IsEmpty());
}

TEST_P(DriverConformanceTest, PausedGuestIsAdoptedPaused) {
  Run();
  ASSERT_THAT(Call(&GuestDriver::Pause, "a"), IsOk());
  const FoundGuest found = RestartAndFind();

  const auto adopted = Adopt(found.record, /*let_run=*/true);

  ASSERT_THAT(adopted, IsOk());
  EXPECT_EQ(adopted->run_state, RunState::kPaused);
  EXPECT_THAT(Call(&GuestDriver::Resume, "a"), IsOk());
  EXPECT_THAT(later_sink_.WaitFor(1), ElementsAre("a running"));
}

TEST_P(DriverConformanceTest, LaunchThatWasCutOffGoesOnWhenItIsAdopted) {
  Run(/*start_paused=*/true);
  const FoundGuest found = RestartAndFind();

  const auto adopted = Adopt(found.record, /*let_run=*/true);

  ASSERT_THAT(adopted, IsOk());
  EXPECT_EQ(adopted->run_state, RunState::kRunning);
}

TEST_P(DriverConformanceTest, GuestThatStartedPausedIsAdoptedSo) {
  Run(/*start_paused=*/true);
  const FoundGuest found = RestartAndFind();

  const auto adopted = Adopt(found.record, /*let_run=*/false);

  ASSERT_THAT(adopted, IsOk());
  EXPECT_EQ(adopted->run_state, RunState::kPaused);
}

TEST_P(DriverConformanceTest, GuestThatEndedUnwatchedIsFoundAndNotAdopted) {
  Run();
  host_->Crash("a");
  ASSERT_THAT(sink_.WaitFor(1), SizeIs(1));

  const FoundGuest found = RestartAndFind();

  EXPECT_FALSE(found.running);
  ASSERT_TRUE(found.exit.has_value());
  EXPECT_EQ(found.exit->value, SIGABRT);
  EXPECT_THAT(Adopt(found.record, /*let_run=*/false),
              HasReason(reason::kGuestExited));
  EXPECT_THAT(Call(&GuestDriver::Remove, "a"), IsOk());
  EXPECT_THAT(host_->Leftovers(), IsEmpty());
  EXPECT_THAT(later_sink_.lines(), IsEmpty());
}

TEST_P(DriverConformanceTest, HungGuestIsToldAndCostsItsOwnCallersOnly) {
  ASSERT_THAT(Launch(Record("a")), IsOk());
  ASSERT_THAT(Launch(Record("b")), IsOk());
  host_->Hang("a");

  const absl::Status paused = Call(&GuestDriver::Pause, "a");

  EXPECT_THAT(paused, StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(paused, HasReason(reason::kGuestUnresponsive));
  EXPECT_TRUE(sink_.WaitForLine("a unresponsive"));
  EXPECT_THAT(Call(&GuestDriver::Reset, "b"), IsOk());
  host_->Unhang("a");
  EXPECT_TRUE(sink_.WaitForLine("a responsive"));
  EXPECT_THAT(Call(&GuestDriver::Resume, "a"), IsOk());
}

TEST_P(DriverConformanceTest, HungGuestCanBeKilled) {
  Run();
  host_->Hang("a");

  EXPECT_THAT(Call(&GuestDriver::Kill, "a"), IsOk());

  EXPECT_TRUE(sink_.WaitForLine("a signaled 9"));
}

TEST_P(DriverConformanceTest, HungGuestIsAdoptedAndToldOnceItAnswers) {
  const GuestProcess process = Run();
  host_->Hang("a");
  const FoundGuest found = RestartAndFind();
  EXPECT_TRUE(found.running);

  const auto adopted = Adopt(found.record, /*let_run=*/true);

  ASSERT_THAT(adopted, IsOk());
  EXPECT_EQ(adopted->process, process);
  EXPECT_FALSE(adopted->responsive);
  host_->Unhang("a");
  EXPECT_TRUE(later_sink_.WaitForLine("a responsive"));
  EXPECT_THAT(Call(&GuestDriver::Pause, "a"), IsOk());
  EXPECT_TRUE(later_sink_.WaitForLine("a paused"));
}

}  // namespace

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(DriverConformanceTest);

}  // namespace innkeeper
