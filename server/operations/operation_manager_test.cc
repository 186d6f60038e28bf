#include "server/operations/operation_manager.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/testing/fake_clock.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/store/keys.h"
#include "server/store/memory_store.h"
#include "server/store/testing/faulty_store.h"

namespace innkeeper {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

ClusterOperation Operation(const std::string& id,
                           const std::string& owner = "user/a") {
  ClusterOperation operation;
  operation.name = absl::StrCat("operations/", id);
  operation.method = "innkeeper.v1.Guests/LaunchGuest";
  operation.caller = owner;
  operation.owner = owner;
  operation.guest = "web";
  operation.request = "request";
  return operation;
}

bool All(const ClusterOperation&) { return true; }

std::vector<std::string> NamesOf(
    const std::vector<OperationManager::Entry>& entries) {
  std::vector<std::string> names;
  names.reserve(entries.size());
  for (const auto& entry : entries) names.push_back(entry->name);
  return names;
}

// What a Wait came to.
class WaitResult {
 public:
  Completion<ClusterOperation> Done() {
    return [this](absl::StatusOr<ClusterOperation> result) {
      result_ = std::move(result);
      done_.Notify();
    };
  }
  absl::StatusOr<ClusterOperation> Get() {
    if (!done_.WaitForNotificationWithTimeout(absl::Seconds(10))) {
      return absl::InternalError("the wait has no end");
    }
    return result_;
  }
  bool pending() const { return !done_.HasBeenNotified(); }

 private:
  absl::StatusOr<ClusterOperation> result_ = absl::UnknownError("not yet");
  absl::Notification done_;
};

class OperationManagerTest : public testing::Test {
 protected:
  OperationManagerTest() { Restart(); }

  // A new manager on the same store, as after a restart of the server.
  void Restart() {
    manager_.reset();
    manager_ = NewManager();
  }
  std::unique_ptr<OperationManager> NewManager() {
    OperationManager::Options options;
    options.clock = &clock_;
    auto manager = OperationManager::Create(&faulty_, &loop_, options);
    EXPECT_THAT(manager, IsOk());
    return *std::move(manager);
  }
  void MustStart(const ClusterOperation& operation) {
    const auto result = manager_->Start(operation);
    ASSERT_THAT(result, IsOk());
    ASSERT_TRUE(result->committed);
  }

  MemoryStore store_;
  FaultyStore faulty_{&store_};
  FakeClock clock_;
  EventLoop loop_{"operations"};
  std::unique_ptr<OperationManager> manager_;
};

TEST_F(OperationManagerTest, StartedOperationIsAtHandAtOnce) {
  ClusterOperation operation = Operation("1");
  operation.delegate = "gateway/g";
  MustStart(operation);

  const auto found = manager_->Find("operations/1");

  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->caller, "user/a");
  EXPECT_EQ(found->delegate, "gateway/g");
  EXPECT_EQ(found->create_time, clock_.Now());
  EXPECT_FALSE(found->done);
  EXPECT_EQ(manager_->Find("operations/2"), nullptr);
}

TEST_F(OperationManagerTest, NameThatIsTakenIsNotStartedAgain) {
  MustStart(Operation("1"));

  const auto second = manager_->Start(Operation("1", "user/thief"));

  ASSERT_THAT(second, IsOk());
  EXPECT_FALSE(second->committed);
  EXPECT_EQ(manager_->Find("operations/1")->caller, "user/a");
}

TEST_F(OperationManagerTest, StartIsCommittedWithItsCompanionOrNotAtAll) {
  ASSERT_TRUE(
      manager_->Start(Operation("1"), Txn().IfAbsent("name").PutKey("name", ""))
          ->committed);

  const auto refused = manager_->Start(
      Operation("2"), Txn().IfAbsent("name").PutKey("name", ""));

  ASSERT_THAT(refused, IsOk());
  EXPECT_FALSE(refused->committed);
  EXPECT_EQ(refused->current.size(), 1u);
  EXPECT_EQ(manager_->Find("operations/2"), nullptr);
}

TEST_F(OperationManagerTest, OperationBegunAsPartOfATxnIsLoaded) {
  ASSERT_THAT(store_.Commit(manager_->MakeStart(Operation("1"))), IsOk());

  ASSERT_THAT(manager_->Load("operations/1"), IsOk());

  EXPECT_NE(manager_->Find("operations/1"), nullptr);
  EXPECT_THAT(manager_->Load("operations/2"),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(OperationManagerTest, EverythingOutlivesARestart) {
  MustStart(Operation("1"));
  ASSERT_THAT(manager_->Update("operations/1",
                               [](ClusterOperation& operation) {
                                 operation.step = "placed";
                                 operation.host = "h1";
                               }),
              IsOk());

  Restart();

  const auto unfinished = manager_->Unfinished();
  ASSERT_THAT(NamesOf(unfinished), ElementsAre("operations/1"));
  EXPECT_EQ(unfinished[0]->step, "placed");
  EXPECT_EQ(unfinished[0]->host, "h1");
  EXPECT_EQ(unfinished[0]->request, "request");
  EXPECT_EQ(unfinished[0]->create_time, clock_.Now());
}

TEST_F(OperationManagerTest, ErrorOutlivesARestartWithItsDetails) {
  MustStart(Operation("1"));
  const absl::Status error = Error(absl::StatusCode::kResourceExhausted,
                                   reason::kCapacityExhausted, "no room")
                                 .With("host.h1", "memory");
  ASSERT_THAT(manager_->Finish("operations/1", error), IsOk());

  Restart();

  const auto found = manager_->Find("operations/1");
  ASSERT_NE(found, nullptr);
  EXPECT_TRUE(found->done);
  EXPECT_EQ(found->error, error);
  EXPECT_EQ(found->request, "");
  EXPECT_THAT(manager_->Unfinished(), IsEmpty());
}

TEST_F(OperationManagerTest, FirstResultStands) {
  MustStart(Operation("1"));
  ASSERT_THAT(manager_->Finish("operations/1", "first"), IsOk());

  const auto second =
      manager_->Finish("operations/1", absl::InternalError("second"));

  ASSERT_THAT(second, IsOk());
  EXPECT_EQ(second->response, "first");
  EXPECT_THAT(second->error, IsOk());
}

TEST_F(OperationManagerTest, CancelIsRequestedOfWhatRunsOnly) {
  MustStart(Operation("1"));
  ASSERT_THAT(manager_->RequestCancel("operations/1"), IsOk());
  EXPECT_TRUE(manager_->Find("operations/1")->cancel_requested);
  MustStart(Operation("2"));
  ASSERT_THAT(manager_->Finish("operations/2", ""), IsOk());

  ASSERT_THAT(manager_->RequestCancel("operations/2"), IsOk());

  EXPECT_FALSE(manager_->Find("operations/2")->cancel_requested);
  const auto unknown = manager_->RequestCancel("operations/3");
  EXPECT_THAT(unknown, StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(unknown, HasReason(reason::kOperationNotFound));
}

TEST_F(OperationManagerTest, StepThatIsShownIsNotWritten) {
  MustStart(Operation("1"));
  const int64_t commits = faulty_.commits();

  manager_->ShowStep("operations/1", "booting");
  manager_->ShowStep("operations/2", "booting");

  EXPECT_EQ(manager_->Find("operations/1")->step, "booting");
  EXPECT_EQ(manager_->List(All, 0, nullptr)[0]->step, "booting");
  EXPECT_EQ(manager_->Find("operations/2"), nullptr);
  EXPECT_EQ(faulty_.commits(), commits);
  Restart();
  EXPECT_EQ(manager_->Find("operations/1")->step, "");
}

TEST_F(OperationManagerTest, StepOfWhatIsDoneStaysDone) {
  MustStart(Operation("1"));
  ASSERT_THAT(manager_->Finish("operations/1", "response"), IsOk());

  manager_->ShowStep("operations/1", "booting");

  EXPECT_EQ(manager_->Find("operations/1")->step, "done");
}

TEST_F(OperationManagerTest, UpdateOverAnotherWritersKeepsBoth) {
  MustStart(Operation("1"));
  faulty_.FailNextCommits({CommitFault::kConflict});

  ASSERT_THAT(manager_->Update(
                  "operations/1",
                  [](ClusterOperation& operation) { operation.step = "sent"; }),
              IsOk());

  EXPECT_EQ(manager_->Find("operations/1")->step, "sent");
  EXPECT_EQ(faulty_.commits(), 3);
}

TEST_F(OperationManagerTest, UpdateWhoseCompanionFailsIsAborted) {
  MustStart(Operation("1"));

  const auto aborted =
      manager_->Finish("operations/1", "done", Txn().IfExists("guests/web"));

  EXPECT_THAT(aborted, StatusIs(absl::StatusCode::kAborted));
  EXPECT_THAT(aborted, HasReason(reason::kStoreConflict));
  EXPECT_FALSE(manager_->Find("operations/1")->done);
}

TEST_F(OperationManagerTest, UnknownOutcomesAreSettled) {
  for (const CommitFault fault :
       {CommitFault::kUnknownApplied, CommitFault::kUnknownLost,
        CommitFault::kUnknownLate}) {
    const std::string id = absl::StrCat(static_cast<int>(fault));
    const std::string name = absl::StrCat("operations/", id);
    faulty_.FailNextCommits({fault});
    MustStart(Operation(id));
    faulty_.FailNextCommits({fault});
    ASSERT_THAT(manager_->Finish(name, "result"), IsOk());
    faulty_.DeliverLate();

    const auto stored = manager_->Load(name);
    ASSERT_THAT(stored, IsOk());
    EXPECT_EQ(stored->response, "result");
  }
}

TEST_F(OperationManagerTest, ListIsNewestFirstAndFiltered) {
  for (const char* id : {"1", "2", "3", "4"}) {
    clock_.Advance(absl::Seconds(1));
    MustStart(Operation(id, std::string(id) == "2" ? "user/b" : "user/a"));
  }
  const auto of_a = [](const ClusterOperation& operation) {
    return operation.owner == "user/a";
  };

  EXPECT_THAT(NamesOf(manager_->List(All, 0, nullptr)),
              ElementsAre("operations/4", "operations/3", "operations/2",
                          "operations/1"));
  const auto page = manager_->List(of_a, 2, nullptr);
  EXPECT_THAT(NamesOf(page), ElementsAre("operations/4", "operations/3"));
  EXPECT_THAT(NamesOf(manager_->List(of_a, 2, page.back().get())),
              ElementsAre("operations/1"));
}

TEST_F(OperationManagerTest, TheLastOperationAboutAGuestIsFound) {
  for (const char* const name : {"1", "2"}) {
    ClusterOperation operation = Operation(name);
    operation.guest = "web";
    MustStart(operation);
    clock_.Advance(absl::Seconds(1));
  }
  ClusterOperation other = Operation("3");
  other.guest = "db";
  MustStart(other);
  ASSERT_THAT(manager_->Finish("operations/2", "deleted"), IsOk());

  ASSERT_NE(manager_->FindLast("web"), nullptr);
  EXPECT_EQ(manager_->FindLast("web")->name, "operations/2");
  EXPECT_TRUE(manager_->FindLast("web")->done);
  EXPECT_EQ(manager_->FindLast("none"), nullptr);

  Restart();
  ASSERT_NE(manager_->FindLast("web"), nullptr);
  EXPECT_EQ(manager_->FindLast("web")->name, "operations/2");
  // It goes with its operation.
  clock_.Advance(absl::Hours(31 * 24));
  ASSERT_THAT(manager_->Maintain(), IsOk());
  EXPECT_EQ(manager_->FindLast("web"), nullptr);
}

TEST_F(OperationManagerTest, PagesOfOneInstantLeaveNothingOut) {
  for (const char* id : {"b", "a", "c"}) MustStart(Operation(id));

  const auto first = manager_->List(All, 1, nullptr);

  EXPECT_THAT(NamesOf(first), ElementsAre("operations/a"));
  EXPECT_THAT(NamesOf(manager_->List(All, 0, first.back().get())),
              ElementsAre("operations/b", "operations/c"));
}

TEST_F(OperationManagerTest, WaitersAreWokenByTheResult) {
  MustStart(Operation("1"));
  MustStart(Operation("2"));
  WaitResult first;
  WaitResult second;
  WaitResult other;
  manager_->Wait("operations/1", absl::InfiniteDuration(), first.Done());
  manager_->Wait("operations/1", absl::Hours(1), second.Done());
  manager_->Wait("operations/2", absl::Hours(1), other.Done());

  ASSERT_THAT(manager_->Finish("operations/1", "result"), IsOk());

  EXPECT_EQ(first.Get()->response, "result");
  EXPECT_EQ(second.Get()->response, "result");
  EXPECT_TRUE(other.pending());
  manager_.reset();
  EXPECT_THAT(other.Get(), HasReason(reason::kShuttingDown));
}

TEST_F(OperationManagerTest, WaitEndsWithItsTimeout) {
  MustStart(Operation("1"));
  WaitResult poll;
  WaitResult brief;
  manager_->Wait("operations/1", absl::ZeroDuration(), poll.Done());
  manager_->Wait("operations/1", absl::Milliseconds(1), brief.Done());

  EXPECT_FALSE(poll.Get()->done);
  EXPECT_FALSE(brief.Get()->done);
}

TEST_F(OperationManagerTest, WaitForAFinishedOperationEndsAtOnce) {
  MustStart(Operation("1"));
  ASSERT_THAT(manager_->Finish("operations/1", "result"), IsOk());
  WaitResult wait;
  manager_->Wait("operations/1", absl::InfiniteDuration(), wait.Done());

  EXPECT_EQ(wait.Get()->response, "result");
}

TEST_F(OperationManagerTest, WaitForAnUnknownOperationIsRefused) {
  WaitResult wait;
  manager_->Wait("operations/1", absl::InfiniteDuration(), wait.Done());

  EXPECT_THAT(wait.Get(),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("operations/1")));
}

TEST_F(OperationManagerTest, MoreThanTenThousandWaitersAreRefused) {
  MustStart(Operation("1"));
  for (size_t i = 0; i < OperationWaiters::kMaxWaiters; ++i) {
    manager_->Wait("operations/1", absl::InfiniteDuration(),
                   [](const absl::StatusOr<ClusterOperation>&) {});
  }
  WaitResult wait;
  manager_->Wait("operations/1", absl::InfiniteDuration(), wait.Done());

  EXPECT_THAT(wait.Get(), StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST_F(OperationManagerTest, ResultFromAnotherServerWakesTheWaiter) {
  const auto other = NewManager();
  MustStart(Operation("1"));
  ASSERT_THAT(other->Load("operations/1"), IsOk());
  WaitResult wait;
  other->Wait("operations/1", absl::InfiniteDuration(), wait.Done());

  ASSERT_THAT(manager_->Finish("operations/1", "result"), IsOk());

  EXPECT_EQ(wait.Get()->response, "result");
}

TEST_F(OperationManagerTest, FinishedOperationsAreKeptForThirtyDays) {
  MustStart(Operation("finished"));
  MustStart(Operation("running"));
  ASSERT_THAT(manager_->Finish("operations/finished", ""), IsOk());
  clock_.Advance(absl::Hours(30 * 24) - absl::Seconds(1));
  ASSERT_THAT(manager_->Maintain(), IsOk());
  EXPECT_NE(manager_->Find("operations/finished"), nullptr);
  clock_.Advance(absl::Seconds(1));

  ASSERT_THAT(manager_->Maintain(), IsOk());

  EXPECT_EQ(manager_->Find("operations/finished"), nullptr);
  EXPECT_THAT(manager_->Load("operations/finished"),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_NE(manager_->Find("operations/running"), nullptr);
}

TEST_F(OperationManagerTest, BrokenWatchIsMended) {
  const auto other = NewManager();
  MustStart(Operation("gone"));
  ASSERT_THAT(other->Load("operations/gone"), IsOk());
  // What the watches have yet to hear is compacted away.
  store_.HoldWatches(true);
  ASSERT_THAT(manager_->Finish("operations/gone", ""), IsOk());
  clock_.Advance(absl::Hours(31 * 24));
  ASSERT_THAT(manager_->Maintain(), IsOk());
  MustStart(Operation("1"));
  ASSERT_THAT(store_.Compact(store_.Get("")->revision), IsOk());
  store_.HoldWatches(false);

  // Mended once the watch has heard that it broke.
  const absl::Time deadline = absl::Now() + absl::Seconds(10);
  while (other->Find("operations/1") == nullptr && absl::Now() < deadline) {
    ASSERT_THAT(other->Maintain(), IsOk());
  }

  EXPECT_NE(other->Find("operations/1"), nullptr);
  EXPECT_EQ(other->Find("operations/gone"), nullptr);
}

TEST_F(OperationManagerTest, UnreadableOperationDoesNotHideTheOthers) {
  MustStart(Operation("1"));
  ASSERT_THAT(store_.Commit(Txn().PutKey(keys::Operation("2"), "\xff\xff")),
              IsOk());

  Restart();

  EXPECT_THAT(NamesOf(manager_->List(All, 0, nullptr)),
              ElementsAre("operations/1"));
  EXPECT_THAT(manager_->Load("operations/2"),
              StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(OperationManagerTest, StoreThatIsDownIsToldAtTheStart) {
  faulty_.FailReads(true);

  EXPECT_THAT(OperationManager::Create(&faulty_, &loop_),
              StatusIs(absl::StatusCode::kUnavailable));
}

}  // namespace
}  // namespace innkeeper
