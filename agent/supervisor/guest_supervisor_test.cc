#include "agent/supervisor/guest_supervisor.h"

#include <unistd.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "agent/driver/testing/fake_driver.h"
#include "agent/store/agent_store.h"
#include "agent/supervisor/guest_event.h"
#include "agent/supervisor/testing/text_operation_encoder.h"
#include "auth/testing/permit_for_test.h"
#include "base/error.h"
#include "base/event_loop.h"
#include "base/executor.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "base/uuid.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr absl::Duration kPatience = absl::Seconds(20);

// Keeps the last that was told of each guest, and every event's type.
class RecordingFeed : public GuestFeed {
 public:
  void OnGuest(const GuestRecord& guest, bool unresponsive, const std::string&,
               const std::vector<EventRecord>& events) override {
    absl::MutexLock lock(&mutex_);
    guests_[guest.id] = guest;
    unresponsive_[guest.id] = unresponsive;
    for (const EventRecord& event : events) types_.push_back(event.type);
  }
  void OnGuestRemoved(const GuestRecord& guest,
                      const std::vector<EventRecord>& events) override {
    absl::MutexLock lock(&mutex_);
    guests_.erase(guest.id);
    for (const EventRecord& event : events) types_.push_back(event.type);
  }

  // Waits until `id` is in `state`; false if that takes too long.
  bool WaitFor(const std::string& id, GuestState state) {
    const auto reached = [&] {
      const auto guest = guests_.find(id);
      return guest != guests_.end() && guest->second.state == state;
    };
    absl::MutexLock lock(&mutex_);
    return mutex_.AwaitWithTimeout(absl::Condition(&reached), kPatience);
  }
  std::map<std::string, GuestRecord> guests() {
    absl::MutexLock lock(&mutex_);
    return guests_;
  }
  std::vector<std::string> types() {
    absl::MutexLock lock(&mutex_);
    return types_;
  }
  bool unresponsive(const std::string& id) {
    absl::MutexLock lock(&mutex_);
    return unresponsive_[id];
  }

 private:
  absl::Mutex mutex_;
  std::map<std::string, GuestRecord> guests_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, bool> unresponsive_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> types_ ABSL_GUARDED_BY(mutex_);
};

// One life of an agent's core over a database and a host that stay.
class Agent {
 public:
  Agent(const std::string& path, EventLoop* loop, FakeDriver* driver,
        size_t max_guests = 100)
      : loop_(loop), executor_("test", 2, 100) {
    AgentStore::Options options;
    options.path = path;
    absl::StatusOr<std::unique_ptr<AgentStore>> store =
        AgentStore::Open(options);
    EXPECT_THAT(store, IsOk());
    store_ = *std::move(store);
    tracker_ = std::make_unique<OperationTracker>(store_.get(), loop);
    book_ = std::make_unique<GuestBook>(GuestBook::Parts{
        loop, store_.get(), tracker_.get(), &encoder_, &feed_, Clock::Real()});
    supervisor_ = std::make_unique<GuestSupervisor>(GuestSupervisor::Parts{
        loop, &executor_, store_.get(), driver, book_.get(), &encoder_,
        Clock::Real(), "boot", int64_t{8} << 30, 16, max_guests});
  }
  ~Agent() {
    loop_->PostAndWait([this] { supervisor_.reset(); });
    // What the store still has to say finds the book alive.
    store_.reset();
    loop_->PostAndWait([] {});
  }

  absl::Status Recover() {
    return Await<absl::Status>([this](auto done) {
      supervisor_->Recover([done](absl::Status status) { done(status); });
    });
  }

  template <typename T>
  T Await(std::function<void(std::function<void(T)>)> call) {
    auto result = std::make_shared<T>(absl::UnknownError("no answer"));
    auto answered = std::make_shared<absl::Notification>();
    call([result, answered](T value) {
      *result = std::move(value);
      answered->Notify();
    });
    EXPECT_TRUE(answered->WaitForNotificationWithTimeout(kPatience));
    return *result;
  }

  using Operation = absl::StatusOr<OperationRecord>;

  Operation Launch(const std::string& id, const std::string& request_id = "",
                   const std::string& body = "body") {
    return Await<Operation>([&](auto done) {
      supervisor_->Launch(permit_, MakeRecord(id), MakeCaller(request_id, body),
                          [done](Operation op) { done(std::move(op)); });
    });
  }
  Operation Stop(const std::string& id, bool force,
                 absl::Duration grace = absl::Seconds(60)) {
    StopOptions options;
    options.force = force;
    options.grace = grace;
    return Await<Operation>([&](auto done) {
      supervisor_->Stop(permit_, id, options, MakeCaller("", ""),
                        [done](Operation op) { done(std::move(op)); });
    });
  }
  Operation Start(const std::string& id) {
    return Await<Operation>([&](auto done) {
      supervisor_->StartGuest(permit_, id, MakeCaller("", ""),
                              [done](Operation op) { done(std::move(op)); });
    });
  }
  Operation Reboot(const std::string& id) {
    return Await<Operation>([&](auto done) {
      supervisor_->Reboot(permit_, id, MakeCaller("", ""),
                          [done](Operation op) { done(std::move(op)); });
    });
  }
  Operation Delete(const std::string& id) {
    return Await<Operation>([&](auto done) {
      supervisor_->Delete(permit_, id, MakeCaller("", ""),
                          [done](Operation op) { done(std::move(op)); });
    });
  }
  absl::StatusOr<GuestRecord> Pause(const std::string& id) {
    return Await<absl::StatusOr<GuestRecord>>([&](auto done) {
      supervisor_->Pause(permit_, id, MakeCaller("", ""),
                         [done](absl::StatusOr<GuestRecord> guest) {
                           done(std::move(guest));
                         });
    });
  }
  Operation Wait(const std::string& name) {
    return Await<Operation>([&](auto done) {
      tracker_->Wait(name, kPatience,
                     [done](Operation op) { done(std::move(op)); });
    });
  }
  // The end of an operation that was accepted: "" or its error.
  std::string ErrorOf(const Operation& accepted) {
    if (!accepted.ok()) return absl::StrCat("!", accepted.status().message());
    Operation end = Wait(accepted->name);
    if (!end.ok()) return std::string(end.status().message());
    return end->done ? end->error : "still running";
  }

  RecordingFeed& feed() { return feed_; }
  AgentStore& store() { return *store_; }

  static GuestCaller MakeCaller(const std::string& request_id,
                                const std::string& body) {
    GuestCaller caller;
    caller.principal = "user/operator";
    caller.method = "innkeeper.v1.Guests/LaunchGuest";
    caller.request_id = request_id;
    caller.body_sha256 = body;
    return caller;
  }
  static GuestRecord MakeRecord(const std::string& id) {
    GuestRecord record;
    record.id = id;
    record.uid = MakeUuid();
    record.owner = "user/tenant-a";
    record.spec.vcpu_count = 1;
    record.spec.memory_bytes = int64_t{64} << 20;
    return record;
  }

 private:
  EventLoop* const loop_;
  Executor executor_;
  TextOperationEncoder encoder_;
  RecordingFeed feed_;
  const Permit permit_ = PermitForTest("user/operator", "guests.launch", "");
  std::unique_ptr<AgentStore> store_;
  std::unique_ptr<OperationTracker> tracker_;
  std::unique_ptr<GuestBook> book_;
  std::unique_ptr<GuestSupervisor> supervisor_;
};

class GuestSupervisorTest : public testing::Test {
 protected:
  GuestSupervisorTest()
      : path_(absl::StrCat(testing::TempDir(), "/supervisor-", MakeUuid())),
        loop_("test"),
        driver_(&loop_) {
    StartAgent();
  }
  ~GuestSupervisorTest() override { agent_.reset(); }

  void StartAgent() {
    agent_.reset();
    agent_ = std::make_unique<Agent>(path_, &loop_, &driver_);
    EXPECT_THAT(agent_->Recover(), IsOk());
  }
  void OnLoop(std::function<void()> task) {
    loop_.PostAndWait(std::move(task));
  }

  const std::string path_;
  EventLoop loop_;
  FakeDriver driver_;
  std::unique_ptr<Agent> agent_;
};

TEST_F(GuestSupervisorTest, LaunchedGuestRunsAndItsOperationEnds) {
  EXPECT_EQ(agent_->ErrorOf(agent_->Launch("web")), "");

  ASSERT_TRUE(agent_->feed().WaitFor("web", GuestState::kRunning));
  EXPECT_THAT(agent_->feed().types(),
              ElementsAre("guest.launched", "guest.started"));
  EXPECT_EQ(agent_->feed().guests()["web"].process->pid, 1000);
}

TEST_F(GuestSupervisorTest, FailedLaunchLeavesNothingButItsError) {
  OnLoop([&] { driver_.FailNext("launch", absl::InternalError("no luck")); });

  EXPECT_THAT(agent_->ErrorOf(agent_->Launch("web")), HasSubstr("no luck"));

  EXPECT_THAT(agent_->feed().guests(), IsEmpty());
  EXPECT_THAT(driver_.forgotten(), SizeIs(1));
  OnLoop([&] { driver_.FailNext("launch", absl::OkStatus()); });
  EXPECT_EQ(agent_->ErrorOf(agent_->Launch("web")), "");
}

TEST_F(GuestSupervisorTest, FailedStartLeavesWhatTheGuestKeeps) {
  ASSERT_EQ(agent_->ErrorOf(agent_->Launch("web")), "");
  ASSERT_EQ(agent_->ErrorOf(agent_->Stop("web", true)), "");
  OnLoop([&] { driver_.FailNext("launch", absl::InternalError("no luck")); });

  EXPECT_THAT(agent_->ErrorOf(agent_->Start("web")), HasSubstr("no luck"));

  EXPECT_THAT(driver_.forgotten(), IsEmpty());
  EXPECT_EQ(agent_->feed().guests()["web"].state, GuestState::kFailed);
}

TEST_F(GuestSupervisorTest, FailedLaunchTellsItsErrorWhateverItCannotForget) {
  OnLoop([&] {
    driver_.FailNext("launch", absl::InternalError("no luck"));
    driver_.FailNext("forget", absl::InternalError("busy disk"));
  });

  EXPECT_THAT(agent_->ErrorOf(agent_->Launch("web")), HasSubstr("no luck"));
  EXPECT_THAT(agent_->feed().guests(), IsEmpty());
}

TEST_F(GuestSupervisorTest, IdInUseIsRefusedByName) {
  ASSERT_THAT(agent_->Launch("web"), IsOk());

  const absl::StatusOr<OperationRecord> second = agent_->Launch("web");

  EXPECT_THAT(second,
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("'web'")));
  EXPECT_THAT(second, HasReason(reason::kGuestExists));
}

TEST_F(GuestSupervisorTest, RepeatedRequestGetsTheFirstOperation) {
  const std::string request_id = MakeUuid();
  const absl::StatusOr<OperationRecord> first =
      agent_->Launch("web", request_id);
  const absl::StatusOr<OperationRecord> again =
      agent_->Launch("web", request_id);

  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(first->name, again->name);
  EXPECT_EQ(agent_->ErrorOf(again), "");
  EXPECT_EQ(driver_.launches(), 1);
}

TEST_F(GuestSupervisorTest, RequestIdWithAnotherBodyIsRefused) {
  const std::string request_id = MakeUuid();
  ASSERT_THAT(agent_->Launch("web", request_id, "one"), IsOk());

  EXPECT_THAT(agent_->Launch("web", request_id, "two"),
              HasReason(reason::kRequestIdReused));
  EXPECT_THAT(agent_->Launch("other", request_id, "two"),
              HasReason(reason::kRequestIdReused));
}

TEST_F(GuestSupervisorTest, ThirtyTwoRacingCopiesOfARequestMakeOneGuest) {
  const std::string request_id = MakeUuid();
  std::vector<std::thread> threads;
  std::vector<std::string> names(32);
  for (int i = 0; i < 32; ++i) {
    threads.emplace_back([&, i] {
      const absl::StatusOr<OperationRecord> operation =
          agent_->Launch("web", request_id);
      names[i] = operation.ok() ? operation->name
                                : std::string(operation.status().message());
    });
  }
  for (std::thread& thread : threads) thread.join();

  for (const std::string& name : names) EXPECT_EQ(name, names[0]);
  EXPECT_EQ(agent_->ErrorOf(agent_->Launch("web", request_id)), "");
  EXPECT_EQ(driver_.launches(), 1);
}

TEST_F(GuestSupervisorTest, LaunchBeyondTheCapacityIsRefusedWithNumbers) {
  for (int i = 0; i < 16; ++i) {
    ASSERT_THAT(agent_->Launch(absl::StrCat("g", i)), IsOk());
  }

  const absl::StatusOr<OperationRecord> one_more = agent_->Launch("late");

  EXPECT_THAT(one_more, StatusIs(absl::StatusCode::kResourceExhausted,
                                 HasSubstr("0 vCPUs")));
  EXPECT_THAT(one_more, HasReason(reason::kCapacityExhausted));
}

TEST_F(GuestSupervisorTest, PowerButtonStopsAGuestThatObeys) {
  ASSERT_EQ(agent_->ErrorOf(agent_->Launch("web")), "");

  EXPECT_EQ(agent_->ErrorOf(agent_->Stop("web", false)), "");

  const GuestRecord guest = agent_->feed().guests()["web"];
  EXPECT_EQ(guest.state, GuestState::kStopped);
  EXPECT_FALSE(guest.process.has_value());
  EXPECT_EQ(agent_->feed().types().back(), "guest.stopped");
}

TEST_F(GuestSupervisorTest, GuestThatIgnoresThePowerButtonIsEndedAfterGrace) {
  ASSERT_EQ(agent_->ErrorOf(agent_->Launch("web")), "");
  OnLoop([&] { driver_.IgnorePowerButton(); });

  EXPECT_EQ(agent_->ErrorOf(agent_->Stop("web", false, absl::Milliseconds(20))),
            "");

  EXPECT_EQ(agent_->feed().guests()["web"].state, GuestState::kStopped);
}

TEST_F(GuestSupervisorTest, ForcedStopEndsAStuckGracefulStop) {
  ASSERT_EQ(agent_->ErrorOf(agent_->Launch("web")), "");
  OnLoop([&] { driver_.IgnorePowerButton(); });
  const absl::StatusOr<OperationRecord> graceful = agent_->Stop("web", false);
  ASSERT_THAT(graceful, IsOk());

  EXPECT_EQ(agent_->ErrorOf(agent_->Stop("web", true)), "");

  EXPECT_EQ(agent_->ErrorOf(graceful), "");
  EXPECT_EQ(agent_->feed().guests()["web"].state, GuestState::kStopped);
}

TEST_F(GuestSupervisorTest, ForcedStopCutsOffALaunch) {
  OnLoop([&] { driver_.HoldLaunches(); });
  const absl::StatusOr<OperationRecord> launch = agent_->Launch("web");
  ASSERT_THAT(launch, IsOk());
  const absl::StatusOr<OperationRecord> stop = agent_->Stop("web", true);
  ASSERT_THAT(stop, IsOk());

  OnLoop([&] { driver_.ReleaseLaunches(); });

  EXPECT_THAT(agent_->ErrorOf(launch), HasSubstr("stopped by force"));
  EXPECT_EQ(agent_->ErrorOf(stop), "");
  EXPECT_TRUE(agent_->feed().WaitFor("web", GuestState::kStopped));
  bool has_process = true;
  OnLoop([&] { has_process = driver_.HasProcess("web"); });
  EXPECT_FALSE(has_process);
}

TEST_F(GuestSupervisorTest, BusyGuestIsRefusedAndTheVerbNamed) {
  OnLoop([&] { driver_.HoldLaunches(); });
  const absl::StatusOr<OperationRecord> launch = agent_->Launch("web");

  const absl::StatusOr<OperationRecord> reboot = agent_->Reboot("web");

  EXPECT_THAT(reboot,
              StatusIs(absl::StatusCode::kAborted, HasSubstr("launch")));
  EXPECT_THAT(reboot, HasReason(reason::kGuestBusy));
  OnLoop([&] { driver_.ReleaseLaunches(); });
  EXPECT_EQ(agent_->ErrorOf(launch), "");
}

TEST_F(GuestSupervisorTest, GuestThatEndsByItselfIsFailedOrStopped) {
  ASSERT_EQ(agent_->ErrorOf(agent_->Launch("clean")), "");
  ASSERT_EQ(agent_->ErrorOf(agent_->Launch("crash")), "");

  OnLoop([&] {
    driver_.Exit("clean", ExitKind::kExited, 0);
    driver_.Exit("crash", ExitKind::kSignaled, 6);
  });

  EXPECT_TRUE(agent_->feed().WaitFor("clean", GuestState::kStopped));
  ASSERT_TRUE(agent_->feed().WaitFor("crash", GuestState::kFailed));
  EXPECT_THAT(agent_->feed().guests()["crash"].state_reason,
              HasSubstr("signal 6"));
}

TEST_F(GuestSupervisorTest, StoppedGuestStartsAgainAndIsDeleted) {
  ASSERT_EQ(agent_->ErrorOf(agent_->Launch("web")), "");
  EXPECT_THAT(agent_->Delete("web"), HasReason(reason::kGuestNotStopped));
  ASSERT_EQ(agent_->ErrorOf(agent_->Stop("web", true)), "");

  EXPECT_EQ(agent_->ErrorOf(agent_->Start("web")), "");
  EXPECT_EQ(agent_->feed().guests()["web"].state, GuestState::kRunning);

  ASSERT_EQ(agent_->ErrorOf(agent_->Stop("web", true)), "");
  const std::string uid = agent_->feed().guests()["web"].uid;
  EXPECT_THAT(driver_.forgotten(), IsEmpty());
  EXPECT_EQ(agent_->ErrorOf(agent_->Delete("web")), "");
  EXPECT_THAT(driver_.forgotten(), ElementsAre(uid));
  EXPECT_THAT(agent_->feed().guests(), IsEmpty());
  EXPECT_THAT(agent_->Start("web"), HasReason(reason::kGuestNotFound));
}

TEST_F(GuestSupervisorTest, GuestWhoseStateCannotBeRemovedIsNotDeleted) {
  ASSERT_EQ(agent_->ErrorOf(agent_->Launch("web")), "");
  ASSERT_EQ(agent_->ErrorOf(agent_->Stop("web", true)), "");
  OnLoop([&] { driver_.FailNext("forget", absl::InternalError("busy disk")); });

  EXPECT_THAT(agent_->ErrorOf(agent_->Delete("web")), HasSubstr("busy disk"));
  EXPECT_EQ(agent_->feed().guests()["web"].state, GuestState::kStopped);

  OnLoop([&] { driver_.FailNext("forget", absl::OkStatus()); });
  EXPECT_EQ(agent_->ErrorOf(agent_->Delete("web")), "");
  EXPECT_THAT(agent_->feed().guests(), IsEmpty());
}

TEST_F(GuestSupervisorTest, PausedByAnybodyIsPaused) {
  ASSERT_EQ(agent_->ErrorOf(agent_->Launch("web")), "");

  const absl::StatusOr<GuestRecord> paused = agent_->Pause("web");
  ASSERT_THAT(paused, IsOk());
  EXPECT_EQ(paused->state, GuestState::kPaused);

  OnLoop([&] { driver_.SetRunState("web", RunState::kRunning); });
  EXPECT_TRUE(agent_->feed().WaitFor("web", GuestState::kRunning));
}

TEST_F(GuestSupervisorTest, RunningGuestIsAdoptedUnderTheSamePid) {
  ASSERT_EQ(agent_->ErrorOf(agent_->Launch("web")), "");

  StartAgent();

  ASSERT_TRUE(agent_->feed().WaitFor("web", GuestState::kRunning));
  EXPECT_EQ(agent_->feed().guests()["web"].process->pid, 1000);
  EXPECT_EQ(driver_.launches(), 1);
}

TEST_F(GuestSupervisorTest, GuestThatEndedUnwatchedIsNoticed) {
  ASSERT_EQ(agent_->ErrorOf(agent_->Launch("web")), "");
  agent_.reset();
  OnLoop([&] {
    driver_.SetEventSink(nullptr);
    driver_.Exit("web", ExitKind::kExited, 3);
  });

  StartAgent();

  ASSERT_TRUE(agent_->feed().WaitFor("web", GuestState::kFailed));
  EXPECT_THAT(agent_->feed().guests()["web"].state_reason,
              HasSubstr("status 3"));
}

TEST_F(GuestSupervisorTest, LostDatabaseIsRebuiltFromTheHost) {
  ASSERT_EQ(agent_->ErrorOf(agent_->Launch("web")), "");
  const std::string uid = agent_->feed().guests()["web"].uid;
  agent_.reset();
  for (const char* suffix : {"", "-wal", "-shm"}) {
    unlink(absl::StrCat(path_, suffix).c_str());
  }

  StartAgent();

  ASSERT_TRUE(agent_->feed().WaitFor("web", GuestState::kRunning));
  EXPECT_EQ(agent_->feed().guests()["web"].uid, uid);
  EXPECT_EQ(agent_->feed().guests()["web"].process->pid, 1000);
}

TEST_F(GuestSupervisorTest, EventsInTheLogAreThoseThatWereTold) {
  ASSERT_EQ(agent_->ErrorOf(agent_->Launch("web")), "");
  ASSERT_EQ(agent_->ErrorOf(agent_->Reboot("web")), "");
  ASSERT_EQ(agent_->ErrorOf(agent_->Stop("web", true)), "");

  const absl::StatusOr<std::vector<EventRecord>> log =
      agent_->store().EventsAfter(0, 100);

  ASSERT_THAT(log, IsOk());
  std::vector<std::string> types;
  for (const EventRecord& event : *log) types.push_back(event.type);
  EXPECT_EQ(types, agent_->feed().types());
  EXPECT_EQ(ParseEventPayload(log->front().payload).caller, "user/operator");
}

}  // namespace
}  // namespace innkeeper
