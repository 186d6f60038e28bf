#include "server/store/settled_commit.h"

#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/store/memory_store.h"
#include "server/store/testing/faulty_store.h"

namespace innkeeper {
namespace {

class SettledCommitTest : public testing::Test {
 protected:
  // Puts "mine", whose presence shows that the Txn was applied.
  absl::StatusOr<TxnResult> CommitMine() {
    return CommitSettled(&faulty_, Txn().IfAbsent("a").PutKey("a", "mine"), "a",
                         [](const std::optional<KeyValue>& kv) {
                           return kv.has_value() && kv->value == "mine";
                         });
  }

  MemoryStore store_;
  FaultyStore faulty_{&store_};
};

TEST_F(SettledCommitTest, KnownOutcomeIsPassedOn) {
  const auto first = CommitMine();
  ASSERT_THAT(first, IsOk());
  EXPECT_TRUE(first->committed);
  // Without an unknown outcome a failed compare is someone else's doing.
  const auto second = CommitMine();
  ASSERT_THAT(second, IsOk());
  EXPECT_FALSE(second->committed);
}

TEST_F(SettledCommitTest, AppliedChangeIsFoundAndNotRepeated) {
  faulty_.FailNextCommits({CommitFault::kUnknownApplied});

  const auto result = CommitMine();

  ASSERT_THAT(result, IsOk());
  EXPECT_TRUE(result->committed);
  EXPECT_EQ(result->revision, 1);
  EXPECT_EQ(store_.Get("a")->revision, 1);
}

TEST_F(SettledCommitTest, LostChangeIsMade) {
  faulty_.FailNextCommits({CommitFault::kUnknownLost});

  EXPECT_TRUE(CommitMine()->committed);
  EXPECT_EQ(store_.Get("a")->kv->value, "mine");
}

TEST_F(SettledCommitTest, LateChangeComesToNothing) {
  faulty_.FailNextCommits({CommitFault::kUnknownLate});

  EXPECT_TRUE(CommitMine()->committed);
  faulty_.DeliverLate();

  EXPECT_EQ(store_.Get("a")->revision, 1);
}

TEST_F(SettledCommitTest, ChangeOfAnotherIsNotTakenForOnesOwn) {
  ASSERT_THAT(store_.Commit(Txn().PutKey("a", "theirs")), IsOk());
  faulty_.FailNextCommits({CommitFault::kUnknownLost});

  const auto result = CommitMine();

  ASSERT_THAT(result, IsOk());
  EXPECT_FALSE(result->committed);
  EXPECT_EQ(store_.Get("a")->kv->value, "theirs");
}

TEST_F(SettledCommitTest, FailureAfterAnUnknownOutcomeLeavesItUnknown) {
  faulty_.ChooseFaults([first = true](const Txn&) mutable {
    const CommitFault fault =
        first ? CommitFault::kUnknownApplied : CommitFault::kUnavailable;
    first = false;
    return fault;
  });

  EXPECT_TRUE(IsOutcomeUnknown(CommitMine().status()));
}

TEST_F(SettledCommitTest, FailureWithoutAnUnknownOutcomeIsNotRetried) {
  faulty_.FailNextCommits({CommitFault::kUnavailable});

  EXPECT_THAT(CommitMine(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(faulty_.commits(), 1);
}

TEST_F(SettledCommitTest, OutcomeThatCannotBeReadBackStaysUnknown) {
  faulty_.FailNextCommits({CommitFault::kUnknownApplied});
  faulty_.FailReads(true);

  EXPECT_TRUE(IsOutcomeUnknown(CommitMine().status()));
}

}  // namespace
}  // namespace innkeeper
