#include "server/operations/request_ledger.h"

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/testing/fake_clock.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/store/keys.h"
#include "server/store/memory_store.h"

namespace innkeeper {
namespace {

using ::testing::HasSubstr;

RequestKey Key(const std::string& id, const std::string& body = "body") {
  return {"user/a", "innkeeper.v1.Guests/LaunchGuest", id, body};
}

class RequestLedgerTest : public testing::Test {
 protected:
  // Records `key` as answered with `operation`; whether that was committed.
  bool Record(const RequestKey& key, const std::string& operation) {
    const auto slot = ledger_.Find(key);
    EXPECT_THAT(slot, IsOk());
    const auto result =
        store_.Commit(ledger_.MakeEntry(key, *slot, {operation, ""}));
    EXPECT_THAT(result, IsOk());
    return result->committed;
  }

  MemoryStore store_;
  FakeClock clock_;
  RequestLedger ledger_{&store_, &clock_};
};

TEST_F(RequestLedgerTest, RetryIsGivenTheFirstAnswer) {
  ASSERT_TRUE(Record(Key("r"), "operations/1"));

  const auto again = ledger_.Find(Key("r"));

  ASSERT_THAT(again, IsOk());
  ASSERT_TRUE(again->answer.has_value());
  EXPECT_EQ(again->answer->operation, "operations/1");
}

TEST_F(RequestLedgerTest, AnswerItselfIsKeptToo) {
  const auto slot = ledger_.Find(Key("r"));
  ASSERT_THAT(slot, IsOk());
  ASSERT_THAT(store_.Commit(ledger_.MakeEntry(Key("r"), *slot, {"", "guest"})),
              IsOk());

  EXPECT_EQ(ledger_.Find(Key("r"))->answer->response, "guest");
}

TEST_F(RequestLedgerTest, IdUsedForAnotherBodyIsRefused) {
  ASSERT_TRUE(Record(Key("r", "one"), "operations/1"));

  const auto refused = ledger_.Find(Key("r", "two"));

  EXPECT_THAT(refused,
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("'r'")));
  EXPECT_THAT(refused, HasReason(reason::kRequestIdReused));
  ASSERT_EQ(DetailsOf(refused.status()).fields.size(), 1u);
  EXPECT_EQ(DetailsOf(refused.status()).fields[0].field, "request_id");
}

TEST_F(RequestLedgerTest, IdOfAnotherCallerOrMethodIsNoRetry) {
  ASSERT_TRUE(Record(Key("r"), "operations/1"));
  RequestKey other_caller = Key("r");
  other_caller.caller = "user/b";
  RequestKey other_method = Key("r");
  other_method.method = "innkeeper.v1.Guests/StopGuest";

  EXPECT_FALSE(ledger_.Find(other_caller)->answer.has_value());
  EXPECT_FALSE(ledger_.Find(other_method)->answer.has_value());
}

TEST_F(RequestLedgerTest, RequestWithoutIdIsAlwaysNew) {
  EXPECT_TRUE(Record(Key(""), "operations/1"));
  EXPECT_FALSE(ledger_.Find(Key(""))->answer.has_value());
  EXPECT_EQ(store_.ListAll("")->revision, 0);
}

TEST_F(RequestLedgerTest, EntryCountsForTwentyFourHours) {
  ASSERT_TRUE(Record(Key("r"), "operations/1"));
  clock_.Advance(absl::Hours(24) - absl::Seconds(1));
  EXPECT_TRUE(ledger_.Find(Key("r"))->answer.has_value());
  clock_.Advance(absl::Seconds(1));

  EXPECT_FALSE(ledger_.Find(Key("r", "another body"))->answer.has_value());
  EXPECT_TRUE(Record(Key("r", "another body"), "operations/2"));
  EXPECT_EQ(ledger_.Find(Key("r", "another body"))->answer->operation,
            "operations/2");
}

TEST_F(RequestLedgerTest, OfRetriesThatRaceOneIsCommitted) {
  for (const bool expired_entry : {false, true}) {
    if (expired_entry) clock_.Advance(absl::Hours(25));
    std::atomic<int> committed = 0;
    std::vector<std::thread> threads;
    threads.reserve(32);
    for (int t = 0; t < 32; ++t) {
      threads.emplace_back([this, t, &committed] {
        const auto slot = ledger_.Find(Key("r"));
        ASSERT_THAT(slot, IsOk());
        if (slot->answer.has_value()) return;
        const auto result = store_.Commit(ledger_.MakeEntry(
            Key("r"), *slot, {absl::StrCat("operations/", t), ""}));
        ASSERT_THAT(result, IsOk());
        if (result->committed) ++committed;
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(committed, 1) << "over an expired entry: " << expired_entry;
  }
}

TEST_F(RequestLedgerTest, GarbageIsWhatIsTooOldToCount) {
  for (int i = 0; i < 250; ++i) {
    ASSERT_TRUE(Record(Key(absl::StrCat("old-", i)), "operations/1"));
  }
  clock_.Advance(absl::Hours(23));
  ASSERT_TRUE(Record(Key("young"), "operations/2"));
  clock_.Advance(absl::Hours(1));

  ASSERT_THAT(ledger_.CollectGarbage(), IsOk());

  EXPECT_EQ(store_.ListAll(keys::kRequests)->kvs.size(), 1u);
  EXPECT_TRUE(ledger_.Find(Key("young"))->answer.has_value());
}

TEST_F(RequestLedgerTest, DamagedEntryIsNotTakenForANewRequest) {
  const RequestKey key = Key("r");
  ASSERT_THAT(store_.Commit(Txn().PutKey(
                  keys::Request(key.caller, key.method, "r"), "\xff\xff")),
              IsOk());

  EXPECT_THAT(ledger_.Find(key), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(ledger_.CollectGarbage(), IsOk());
}

}  // namespace
}  // namespace innkeeper
