#include "agent/context/context_book.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "agent/store/agent_store.h"
#include "auth/testing/permit_for_test.h"
#include "base/error.h"
#include "base/event_loop.h"
#include "base/reason.h"
#include "base/sqlite.h"
#include "base/testing/fake_clock.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// What the feed was told.
class RecordingFeed : public ContextFeed {
 public:
  void OnContexts(const std::vector<std::string>& ids,
                  const std::vector<EventRecord>& events) override {
    ids_ = ids;
    for (const EventRecord& event : events) events_.push_back(event);
  }
  const std::vector<std::string>& ids() const { return ids_; }
  const std::vector<EventRecord>& events() const { return events_; }

 private:
  std::vector<std::string> ids_;
  std::vector<EventRecord> events_;
};

class ContextBookTest : public testing::Test {
 protected:
  ContextBookTest() {
    // Each test has a directory of its own name.
    options_.path = absl::StrCat(
        testing::TempDir(), "/",
        testing::UnitTest::GetInstance()->current_test_info()->name(), ".db");
    options_.clock = &clock_;
    Open();
  }
  ~ContextBookTest() override {
    loop_.PostAndWait([this] { book_.reset(); });
  }

  // An agent that starts on what the last one left.
  void Open() {
    loop_.PostAndWait([this] { book_.reset(); });
    store_.reset();
    store_ = *AgentStore::Open(options_);
    book_ = std::make_unique<ContextBook>(
        ContextBook::Parts{&loop_, store_.get(), &feed_, &clock_});
    ASSERT_THAT(book_->Load(), IsOk());
  }

  static ContextRecord Make(const std::string& id) {
    ContextRecord context;
    context.id = id;
    context.description = "for builds";
    context.users = {"user/alice"};
    context.spec.nice = 7;
    return context;
  }

  absl::StatusOr<ContextPtr> Create(ContextRecord context) {
    absl::Notification ended;
    absl::StatusOr<ContextPtr> result = absl::UnknownError("");
    book_->Create(permit_, std::move(context),
                  [&](absl::StatusOr<ContextPtr> made) {
                    result = std::move(made);
                    ended.Notify();
                  });
    ended.WaitForNotification();
    return result;
  }
  absl::Status Delete(const std::string& id, const std::string& etag = "") {
    absl::Notification ended;
    absl::Status result;
    book_->Delete(permit_, id, etag, [&](absl::Status status) {
      result = std::move(status);
      ended.Notify();
    });
    ended.WaitForNotification();
    return result;
  }

  FakeClock clock_{absl::FromUnixSeconds(1800000000)};
  AgentStore::Options options_;
  EventLoop loop_{"contexts"};
  RecordingFeed feed_;
  const Permit permit_ = PermitForTest("user/root", "contexts.create", "");
  std::unique_ptr<AgentStore> store_;
  std::unique_ptr<ContextBook> book_;
};

TEST_F(ContextBookTest, CreatedContextSaysByWhomAndWhen) {
  const auto made = Create(Make("build"));

  ASSERT_THAT(made, IsOk());
  EXPECT_EQ((*made)->creator, "user/root");
  EXPECT_EQ((*made)->create_time, clock_.Now());
  EXPECT_NE((*made)->etag, "");
  EXPECT_EQ(book_->Find("build"), *made);
}

TEST_F(ContextBookTest, ContextsOutliveTheAgentAsTheyWere) {
  const ContextRecord made = **Create(Make("build"));

  Open();

  ASSERT_NE(book_->Find("build"), nullptr);
  EXPECT_TRUE(*book_->Find("build") == made);
  EXPECT_THAT(feed_.ids(), ElementsAre("build"));
}

TEST_F(ContextBookTest, IdIsTakenUntilItIsDeleted) {
  ASSERT_THAT(Create(Make("build")), IsOk());

  const auto second = Create(Make("build"));

  EXPECT_THAT(second, StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_THAT(second, HasReason(reason::kContextExists));
  ASSERT_THAT(Delete("build"), IsOk());
  EXPECT_THAT(Create(Make("build")), IsOk());
}

TEST_F(ContextBookTest, OfTwoAtOnceOneIsRefused) {
  std::vector<absl::StatusCode> codes;
  absl::Notification ended;
  const auto count = [&](absl::StatusOr<ContextPtr> made) {
    codes.push_back(made.status().code());
    if (codes.size() == 2) ended.Notify();
  };

  book_->Create(permit_, Make("build"), count);
  book_->Create(permit_, Make("build"), count);
  ended.WaitForNotification();

  EXPECT_THAT(codes,
              testing::UnorderedElementsAre(absl::StatusCode::kOk,
                                            absl::StatusCode::kAlreadyExists));
}

TEST_F(ContextBookTest, DeletedContextStaysGone) {
  ASSERT_THAT(Create(Make("build")), IsOk());
  ASSERT_THAT(Delete("build"), IsOk());
  EXPECT_EQ(book_->Find("build"), nullptr);

  Open();

  EXPECT_THAT(book_->All(), IsEmpty());
  EXPECT_THAT(Delete("build"), HasReason(reason::kContextNotFound));
}

TEST_F(ContextBookTest, OtherEtagThanTheContextsDeletesNothing) {
  const std::string etag = (*Create(Make("build")))->etag;

  const absl::Status refused = Delete("build", "another");

  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kAborted));
  EXPECT_THAT(refused, HasReason(reason::kEtagMismatch));
  EXPECT_THAT(Delete("build", etag), IsOk());
}

TEST_F(ContextBookTest, EachChangeIsOneEventAndTellsWhoDidIt) {
  ASSERT_THAT(Create(Make("build")), IsOk());
  ASSERT_THAT(Create(Make("build")), HasReason(reason::kContextExists));
  ASSERT_THAT(Delete("build"), IsOk());

  ASSERT_EQ(feed_.events().size(), 2u);
  EXPECT_EQ(feed_.events()[0].type, "context.created");
  EXPECT_EQ(feed_.events()[1].type, "context.deleted");
  EXPECT_THAT(feed_.events()[0].payload, HasSubstr("user/root"));
  EXPECT_THAT(feed_.events()[0].payload, HasSubstr("context build"));
  EXPECT_LT(feed_.events()[0].sequence, feed_.events()[1].sequence);
  EXPECT_THAT(feed_.ids(), IsEmpty());
  const auto kept = store_->EventsAfter(0, 10);
  ASSERT_THAT(kept, IsOk());
  EXPECT_EQ(kept->size(), 2u);
}

TEST_F(ContextBookTest, HostHasABoundOfContexts) {
  for (size_t i = 0; i < ContextBook::kMaxContexts; ++i) {
    ASSERT_THAT(Create(Make(absl::StrCat("c", i))), IsOk());
  }

  const auto refused = Create(Make("more"));

  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(refused, HasReason(reason::kContextUnavailable));
}

TEST_F(ContextBookTest, DamagedContextIsAbsentAndTheOthersStay) {
  ASSERT_THAT(Create(Make("build")), IsOk());
  ASSERT_THAT(Create(Make("other")), IsOk());
  loop_.PostAndWait([this] { book_.reset(); });
  store_.reset();
  {
    auto database = SqliteDatabase::Open(options_.path);
    ASSERT_THAT(database, IsOk());
    ASSERT_THAT((*database)->Execute("UPDATE contexts SET record = "
                                     "substr(record, 1, length(record) - 1) "
                                     "WHERE id = 'build'"),
                IsOk());
  }

  Open();

  EXPECT_EQ(book_->Find("build"), nullptr);
  EXPECT_NE(book_->Find("other"), nullptr);
}

TEST_F(ContextBookTest, DatabaseOfTheFirstVersionIsTakenOn) {
  loop_.PostAndWait([this] { book_.reset(); });
  store_.reset();
  {
    auto database = SqliteDatabase::Open(options_.path);
    ASSERT_THAT(database, IsOk());
    ASSERT_THAT((*database)->Execute("DROP TABLE contexts"), IsOk());
    ASSERT_THAT((*database)->SetUserVersion(1), IsOk());
  }

  Open();

  EXPECT_FALSE(store_->fresh());
  EXPECT_EQ(store_->damaged_copy(), "");
  EXPECT_THAT(Create(Make("build")), IsOk());
}

}  // namespace
}  // namespace innkeeper
