#include "agent/store/agent_store.h"

#include <sys/stat.h>

#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "agent/guest/guest_record.h"
#include "agent/store/store_types.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/testing/fake_clock.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

GuestRecord Guest(absl::string_view id, int64_t revision) {
  GuestRecord record;
  record.id = std::string(id);
  record.uid = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
  record.owner = "user/tenant-a";
  record.spec.memory_bytes = kMinMemoryBytes;
  record.revision = revision;
  return record;
}

Change Put(GuestRecord record) {
  Change change;
  change.put_guests.push_back(std::move(record));
  return change;
}

EventRecord Event(absl::string_view type, absl::Time time) {
  return {0, time, "web", "user/tenant-a", std::string(type), "payload"};
}

LedgerEntry Request(absl::string_view id, char body, absl::Time time) {
  return {"user/a",
          "innkeeper.v1.Guests/LaunchGuest",
          std::string(id),
          std::string(32, body),
          absl::StrCat("operations/", id),
          "",
          time};
}

OperationRecord Operation(absl::string_view name, bool done, absl::Time time) {
  OperationRecord operation;
  operation.name = std::string(name);
  operation.method = "innkeeper.v1.Guests/LaunchGuest";
  operation.caller = "user/a";
  operation.guest = "web";
  operation.owner = "user/tenant-a";
  operation.metadata = std::string("\0\xff", 2);
  operation.done = done;
  operation.create_time = time;
  operation.update_time = time;
  return operation;
}

class AgentStoreTest : public testing::Test {
 protected:
  AgentStoreTest() {
    std::string directory = absl::StrCat(testing::TempDir(), "/store.XXXXXX");
    EXPECT_NE(mkdtemp(directory.data()), nullptr);
    options_.path = absl::StrCat(directory, "/agent.db");
    options_.clock = &clock_;
  }

  std::unique_ptr<AgentStore> Open() {
    absl::StatusOr<std::unique_ptr<AgentStore>> store =
        AgentStore::Open(options_);
    EXPECT_THAT(store, IsOk());
    return *std::move(store);
  }

  FakeClock clock_;
  AgentStore::Options options_;
};

TEST_F(AgentStoreTest, ANewStoreIsFreshAndEmpty) {
  const auto store = Open();

  EXPECT_TRUE(store->fresh());
  EXPECT_EQ(store->damaged_copy(), "");
  EXPECT_GT(store->epoch(), 0);
  EXPECT_THAT(store->LoadGuests()->records, IsEmpty());
  EXPECT_THAT(store->LastSequence(), IsOkAndHolds(0));
  EXPECT_THAT(store->OldestSequence(), IsOkAndHolds(1));
  EXPECT_THAT(*store->EventsAfter(0, 10), IsEmpty());
}

TEST_F(AgentStoreTest, TheFileIsTheAgentsAlone) {
  const auto store = Open();
  struct stat status = {};

  ASSERT_EQ(stat(options_.path.c_str(), &status), 0);

  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST_F(AgentStoreTest, ASecondProcessIsRefused) {
  const auto store = Open();

  const auto second = AgentStore::Open(options_);

  EXPECT_THAT(second, StatusIs(absl::StatusCode::kFailedPrecondition,
                               HasSubstr("in use by another process")));
}

TEST_F(AgentStoreTest, AllPartsOfAChangeSurviveReopening) {
  const absl::Time now = clock_.Now();
  int64_t epoch = 0;
  {
    const auto store = Open();
    epoch = store->epoch();
    Change change;
    change.put_guests = {Guest("web", 1)};
    change.put_operations = {Operation("operations/1", false, now)};
    change.ledger = Request("r1", 'a', now);
    change.events = {Event("guest.starting", now), Event("x", now)};
    const absl::StatusOr<CommitResult> result = store->Commit(change);
    ASSERT_THAT(result, IsOk());
    EXPECT_THAT(result->sequences, ElementsAre(1, 2));
    EXPECT_FALSE(result->earlier.has_value());
  }
  const auto store = Open();
  EXPECT_FALSE(store->fresh());
  EXPECT_EQ(store->epoch(), epoch);
  const auto guests = store->LoadGuests();
  ASSERT_THAT(guests->records, SizeIs(1));
  EXPECT_TRUE(guests->records[0] == Guest("web", 1));
  EXPECT_THAT(guests->damaged, IsEmpty());
  const auto operation = store->GetOperation("operations/1");
  ASSERT_THAT(operation, IsOk());
  EXPECT_EQ(operation->metadata, std::string("\0\xff", 2));
  EXPECT_EQ(operation->owner, "user/tenant-a");
  EXPECT_EQ(operation->create_time, now);
  const auto request =
      store->FindRequest("user/a", "innkeeper.v1.Guests/LaunchGuest", "r1");
  ASSERT_TRUE(request.ok() && request->has_value());
  EXPECT_EQ((*request)->operation, "operations/r1");
  const auto events = store->EventsAfter(0, 10);
  ASSERT_THAT(*events, SizeIs(2));
  EXPECT_EQ(events->at(0).sequence, 1);
  EXPECT_EQ(events->at(0).type, "guest.starting");
  EXPECT_EQ(events->at(0).time, now);
  EXPECT_EQ(events->at(0).payload, "payload");
}

TEST_F(AgentStoreTest, AGuestInUseRefusesASecondOneOfItsId) {
  const auto store = Open();
  ASSERT_THAT(store->Commit(Put(Guest("web", 1))), IsOk());
  Change change;
  change.put_guests = {Guest("db", 1), Guest("web", 1)};
  change.events = {Event("x", clock_.Now())};

  const auto result = store->Commit(change);

  EXPECT_THAT(result, StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_THAT(result, HasReason(reason::kGuestExists));
  EXPECT_THAT(store->LoadGuests()->records, SizeIs(1));
  EXPECT_THAT(store->LastSequence(), IsOkAndHolds(0));
}

TEST_F(AgentStoreTest, OnlyTheNextRevisionIsTaken) {
  const auto store = Open();
  ASSERT_THAT(store->Commit(Put(Guest("web", 1))), IsOk());
  ASSERT_THAT(store->Commit(Put(Guest("web", 2))), IsOk());
  for (const int64_t revision : {0, 2, 4}) {
    const auto result = store->Commit(Put(Guest("web", revision)));
    EXPECT_THAT(result, StatusIs(absl::StatusCode::kAborted)) << revision;
    EXPECT_THAT(result, HasReason(reason::kStoreConflict));
  }
  EXPECT_THAT(store->Commit(Put(Guest("absent", 2))),
              StatusIs(absl::StatusCode::kAborted));
}

TEST_F(AgentStoreTest, ADeletedGuestIsGoneAndItsIdIsFree) {
  const auto store = Open();
  ASSERT_THAT(store->Commit(Put(Guest("web", 1))), IsOk());
  Change change;
  change.delete_guests = {"web", "never-there"};

  ASSERT_THAT(store->Commit(change), IsOk());

  EXPECT_THAT(store->LoadGuests()->records, IsEmpty());
  EXPECT_THAT(store->Commit(Put(Guest("web", 1))), IsOk());
}

TEST_F(AgentStoreTest, ARepeatedRequestGetsTheFirstEntryAndChangesNothing) {
  const auto store = Open();
  Change change;
  change.ledger = Request("r1", 'a', clock_.Now());
  change.put_guests = {Guest("web", 1)};
  ASSERT_THAT(store->Commit(change), IsOk());
  change.ledger->operation = "operations/other";
  change.put_guests = {Guest("other", 1)};
  change.events = {Event("x", clock_.Now())};

  const auto again = store->Commit(change);

  ASSERT_THAT(again, IsOk());
  ASSERT_TRUE(again->earlier.has_value());
  EXPECT_EQ(again->earlier->operation, "operations/r1");
  EXPECT_THAT(again->sequences, IsEmpty());
  EXPECT_THAT(store->LoadGuests()->records, SizeIs(1));
  EXPECT_THAT(store->LastSequence(), IsOkAndHolds(0));
}

TEST_F(AgentStoreTest, ARequestIdWithAnotherBodyIsRefused) {
  const auto store = Open();
  Change change;
  change.ledger = Request("r1", 'a', clock_.Now());
  ASSERT_THAT(store->Commit(change), IsOk());
  change.ledger = Request("r1", 'b', clock_.Now());
  change.put_guests = {Guest("web", 1)};

  const auto result = store->Commit(change);

  EXPECT_THAT(result, StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(result, HasReason(reason::kRequestIdReused));
  EXPECT_THAT(store->LoadGuests()->records, IsEmpty());
}

TEST_F(AgentStoreTest, AnotherCallersRequestIdIsAnotherRequest) {
  const auto store = Open();
  Change change;
  change.ledger = Request("r1", 'a', clock_.Now());
  ASSERT_THAT(store->Commit(change), IsOk());
  change.ledger = Request("r1", 'b', clock_.Now());
  change.ledger->caller = "user/b";

  const auto result = store->Commit(change);

  ASSERT_THAT(result, IsOk());
  EXPECT_FALSE(result->earlier.has_value());
}

TEST_F(AgentStoreTest, AnAnswerIsPutToItsRequest) {
  const auto store = Open();
  Change change;
  change.ledger = Request("r1", 'a', clock_.Now());
  ASSERT_THAT(store->Commit(change), IsOk());
  Change answer;
  answer.ledger_answer = Request("r1", 'a', clock_.Now());
  answer.ledger_answer->response = "bytes";

  ASSERT_THAT(store->Commit(answer), IsOk());

  EXPECT_EQ(store->Commit(change)->earlier->response, "bytes");
}

TEST_F(AgentStoreTest, ARequestPastItsLifeIsNew) {
  const auto store = Open();
  Change change;
  change.ledger = Request("r1", 'a', clock_.Now());
  ASSERT_THAT(store->Commit(change), IsOk());
  clock_.Advance(absl::Hours(24));
  EXPECT_THAT(store->FindRequest("user/a", change.ledger->method, "r1"),
              IsOkAndHolds(testing::Eq(std::nullopt)));
  change.ledger = Request("r1", 'b', clock_.Now());

  const auto result = store->Commit(change);

  ASSERT_THAT(result, IsOk());
  EXPECT_FALSE(result->earlier.has_value());
}

TEST_F(AgentStoreTest, OperationsAreReplacedListedAndFoundUnfinished) {
  const auto store = Open();
  const absl::Time now = clock_.Now();
  Change change;
  change.put_operations = {Operation("operations/1", false, now),
                           Operation("operations/2", false, now),
                           Operation("operations/3", true, now)};
  ASSERT_THAT(store->Commit(change), IsOk());
  change.put_operations = {Operation("operations/2", true, now)};
  change.put_operations[0].result = "result";
  ASSERT_THAT(store->Commit(change), IsOk());

  EXPECT_EQ(store->GetOperation("operations/2")->result, "result");
  const auto unfinished = store->ListUnfinishedOperations();
  ASSERT_THAT(*unfinished, SizeIs(1));
  EXPECT_EQ(unfinished->at(0).name, "operations/1");
  const auto page = store->ListOperations("operations/1", 1);
  ASSERT_THAT(*page, SizeIs(1));
  EXPECT_EQ(page->at(0).name, "operations/2");
  EXPECT_THAT(*store->ListOperations("", 10), SizeIs(3));
  EXPECT_THAT(store->GetOperation("operations/9"),
              HasReason(reason::kOperationNotFound));
}

TEST_F(AgentStoreTest, EventsAreReadInPagesByTheirSequence) {
  const auto store = Open();
  Change change;
  for (int i = 0; i < 10; ++i) {
    change.events.push_back(Event(absl::StrCat("e", i), clock_.Now()));
  }
  ASSERT_THAT(store->Commit(change), IsOk());

  const auto page = store->EventsAfter(3, 2);

  ASSERT_THAT(*page, SizeIs(2));
  EXPECT_EQ(page->at(0).sequence, 4);
  EXPECT_EQ(page->at(1).type, "e4");
  EXPECT_THAT(*store->EventsAfter(10, 2), IsEmpty());
}

TEST_F(AgentStoreTest, EventsBeyondTheLastAreNotPromised) {
  const auto store = Open();

  EXPECT_THAT(store->EventsAfter(1, 10),
              StatusIs(absl::StatusCode::kOutOfRange));
}

TEST_F(AgentStoreTest, CollectedHistoryIsToldAndItsNumbersNeverComeAgain) {
  options_.max_events = 3;
  const auto store = Open();
  Change change;
  change.events = std::vector<EventRecord>(5, Event("old", clock_.Now()));
  ASSERT_THAT(store->Commit(change), IsOk());

  ASSERT_THAT(store->CollectGarbage(), IsOk());

  EXPECT_THAT(store->OldestSequence(), IsOkAndHolds(3));
  EXPECT_THAT(*store->EventsAfter(2, 10), SizeIs(3));
  const auto gone = store->EventsAfter(1, 10);
  EXPECT_THAT(gone, StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_THAT(gone, HasReason(reason::kHistoryGone));
  clock_.Advance(absl::Hours(25));
  ASSERT_THAT(store->CollectGarbage(), IsOk());
  EXPECT_THAT(store->OldestSequence(), IsOkAndHolds(6));
  EXPECT_THAT(*store->EventsAfter(5, 10), IsEmpty());
  change.events = {Event("new", clock_.Now())};
  EXPECT_THAT(store->Commit(change)->sequences, ElementsAre(6));
}

TEST_F(AgentStoreTest, AnEventFromTheFutureLeavesNoHoleBehindIt) {
  const auto store = Open();
  Change change;
  change.events = {Event("ahead", clock_.Now() + absl::Hours(48)),
                   Event("old", clock_.Now())};
  ASSERT_THAT(store->Commit(change), IsOk());
  clock_.Advance(absl::Hours(25));

  ASSERT_THAT(store->CollectGarbage(), IsOk());

  EXPECT_THAT(*store->EventsAfter(0, 10), SizeIs(2));
}

TEST_F(AgentStoreTest, OnlyOperationsThatAreDoneGrowOld) {
  const auto store = Open();
  Change change;
  change.put_operations = {Operation("operations/1", true, clock_.Now()),
                           Operation("operations/2", false, clock_.Now())};
  ASSERT_THAT(store->Commit(change), IsOk());
  clock_.Advance(absl::Hours(24 * 30));

  EXPECT_THAT(store->GetOperation("operations/1"),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(*store->ListOperations("", 10), SizeIs(1));
  ASSERT_THAT(store->CollectGarbage(), IsOk());
  EXPECT_THAT(store->GetOperation("operations/2"), IsOk());
}

TEST_F(AgentStoreTest, ManyThreadsCommitAtOnceAndEachGetsItsOwnAnswer) {
  const auto store = Open();
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 1; i <= 50; ++i) {
        Change change;
        change.put_guests = {Guest(absl::StrCat("g", t), i)};
        change.events = {Event(absl::StrCat("t", t), clock_.Now())};
        const auto result = store->Commit(change);
        ASSERT_THAT(result, IsOk());
        // Its own event stands at the sequence that it was told.
        const auto event = store->EventsAfter(result->sequences[0] - 1, 1);
        ASSERT_THAT(event, IsOk());
        ASSERT_EQ(event->at(0).type, absl::StrCat("t", t));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();

  EXPECT_THAT(store->LoadGuests()->records, SizeIs(8));
  EXPECT_THAT(store->LastSequence(), IsOkAndHolds(400));
}

TEST_F(AgentStoreTest, AFailedChangeDoesNotHarmOthersOfItsBatch) {
  const auto store = Open();
  ASSERT_THAT(store->Commit(Put(Guest("web", 1))), IsOk());
  std::vector<absl::StatusCode> codes;
  absl::Notification last;
  // The first task blocks the writer, so that the rest are one batch.
  absl::Notification release;
  store->Commit(
      {}, [&](absl::StatusOr<CommitResult>) { release.WaitForNotification(); });
  for (const char* id : {"a", "web", "b"}) {
    store->Commit(Put(Guest(id, 1)), [&](absl::StatusOr<CommitResult> result) {
      codes.push_back(result.status().code());
      if (codes.size() == 3) last.Notify();
    });
  }
  release.Notify();

  ASSERT_TRUE(last.WaitForNotificationWithTimeout(absl::Seconds(20)));

  EXPECT_THAT(codes, ElementsAre(absl::StatusCode::kOk,
                                 absl::StatusCode::kAlreadyExists,
                                 absl::StatusCode::kOk));
  EXPECT_THAT(store->LoadGuests()->records, SizeIs(3));
}

TEST_F(AgentStoreTest, ClosingFinishesWhatWasBegun) {
  int answers = 0;
  {
    const auto store = Open();
    for (int i = 1; i <= 20; ++i) {
      store->Commit(Put(Guest("web", i)),
                    [&](absl::StatusOr<CommitResult> result) {
                      if (result.ok()) ++answers;
                    });
    }
  }
  EXPECT_EQ(answers, 20);
  EXPECT_EQ(Open()->LoadGuests()->records.at(0).revision, 20);
}

}  // namespace
}  // namespace innkeeper
