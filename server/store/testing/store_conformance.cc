#include "server/store/testing/store_conformance.h"

#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "server/store/testing/watch_recorder.h"

namespace innkeeper {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Optional;

constexpr absl::Duration kPatience = absl::Seconds(10);

// The revision of a Txn that is expected to be committed.
int64_t MustCommit(Store& store, const Txn& txn) {
  const absl::StatusOr<TxnResult> result = store.Commit(txn);
  EXPECT_THAT(result, IsOk());
  if (!result.ok()) return -1;
  EXPECT_TRUE(result->committed);
  return result->revision;
}

int64_t MustPut(Store& store, absl::string_view key, absl::string_view value) {
  return MustCommit(store, Txn().PutKey(key, value));
}

std::vector<std::string> KeysOf(const absl::StatusOr<ListResult>& list) {
  EXPECT_THAT(list, IsOk());
  std::vector<std::string> keys;
  if (!list.ok()) return keys;
  for (const KeyValue& kv : list->kvs) keys.push_back(kv.key);
  return keys;
}

TEST_P(StoreConformanceTest, EmptyStoreIsAtRevisionZero) {
  const absl::StatusOr<GetResult> absent = store_->Get("a");

  ASSERT_THAT(absent, IsOk());
  EXPECT_EQ(absent->kv, std::nullopt);
  EXPECT_EQ(absent->revision, 0);
}

TEST_P(StoreConformanceTest, PutIsReadBackWithItsRevision) {
  EXPECT_EQ(MustPut(*store_, "a", "one"), 1);

  const absl::StatusOr<GetResult> read = store_->Get("a");
  ASSERT_THAT(read, IsOk());
  EXPECT_THAT(read->kv, Optional(KeyValue{"a", "one", 1}));
}

TEST_P(StoreConformanceTest, KeysOfOneTxnShareItsRevision) {
  MustPut(*store_, "a", "old");
  EXPECT_EQ(MustCommit(*store_, Txn().PutKey("a", "new").PutKey("b", "")), 2);

  const absl::StatusOr<ListResult> all = store_->ListAll("");
  ASSERT_THAT(all, IsOk());
  EXPECT_THAT(all->kvs,
              ElementsAre(KeyValue{"a", "new", 2}, KeyValue{"b", "", 2}));
  EXPECT_EQ(all->revision, 2);
}

TEST_P(StoreConformanceTest, TxnThatChangesNothingKeepsTheRevision) {
  MustPut(*store_, "a", "one");

  EXPECT_EQ(MustCommit(*store_, Txn().IfExists("a")), 1);
  EXPECT_EQ(MustCommit(*store_, Txn().DeleteKey("never")), 1);
}

TEST_P(StoreConformanceTest, PutOfTheSameValueIsAChange) {
  MustPut(*store_, "a", "one");
  EXPECT_EQ(MustPut(*store_, "a", "one"), 2);
}

TEST_P(StoreConformanceTest, FailedCompareWritesNothingAndShowsWhatStands) {
  MustPut(*store_, "b", "theirs");
  MustPut(*store_, "a", "also");

  const absl::StatusOr<TxnResult> result =
      store_->Commit(Txn()
                         .IfAbsent("b")
                         .IfAbsent("c")
                         .IfExists("a")
                         .IfExists("a")
                         .PutKey("b", "mine")
                         .DeleteKey("a"));

  ASSERT_THAT(result, IsOk());
  EXPECT_FALSE(result->committed);
  EXPECT_EQ(result->revision, 2);
  EXPECT_THAT(result->current, ElementsAre(KeyValue{"a", "also", 2},
                                           KeyValue{"b", "theirs", 1}));
  EXPECT_THAT(store_->Get("b")->kv, Optional(KeyValue{"b", "theirs", 1}));
  EXPECT_EQ(store_->Get("a")->revision, 2);
}

TEST_P(StoreConformanceTest, EveryKindOfCompareIsKept) {
  MustPut(*store_, "x", "");
  const int64_t written = MustPut(*store_, "a", "");
  const struct {
    Txn txn;
    bool committed;
  } kCases[] = {
      {Txn().IfExists("a"), true},
      {Txn().IfExists("none"), false},
      {Txn().IfAbsent("a"), false},
      {Txn().IfAbsent("none"), true},
      {Txn().IfModRevision("a", written), true},
      {Txn().IfModRevision("a", written - 1), false},
      {Txn().IfModRevision("a", written + 1), false},
      {Txn().IfModRevision("none", written), false},
      {Txn().IfNotModRevision("a", written), false},
      {Txn().IfNotModRevision("a", written + 1), true},
      {Txn().IfNotModRevision("none", written), true},
      {Txn().IfUnchanged("a", written), true},
      {Txn().IfUnchanged("a", 0), false},
      {Txn().IfUnchanged("none", 0), true},
      {Txn().IfUnchanged("none", written), false},
      {Txn().IfExists("a").IfExists("none"), false},
  };
  for (const auto& test : kCases) {
    const absl::StatusOr<TxnResult> result = store_->Commit(test.txn);
    ASSERT_THAT(result, IsOk());
    EXPECT_EQ(result->committed, test.committed) << "case " << &test - kCases;
  }
}

TEST_P(StoreConformanceTest, RecreatedKeyHasANewRevision) {
  const int64_t first = MustPut(*store_, "a", "one");
  MustCommit(*store_, Txn().DeleteKey("a"));
  EXPECT_EQ(store_->Get("a")->kv, std::nullopt);

  MustPut(*store_, "a", "one");

  const absl::StatusOr<TxnResult> stale =
      store_->Commit(Txn().IfModRevision("a", first).PutKey("a", "two"));
  ASSERT_THAT(stale, IsOk());
  EXPECT_FALSE(stale->committed);
}

TEST_P(StoreConformanceTest, KeysAndValuesAreBytes) {
  const std::string key("k\0\xff\xfe", 4);
  const std::string value("\0v\x80", 3);
  MustPut(*store_, key, value);

  EXPECT_THAT(store_->Get(key)->kv, Optional(KeyValue{key, value, 1}));
  EXPECT_EQ(store_->Get("k")->kv, std::nullopt);
}

TEST_P(StoreConformanceTest, ListIsOrderedByBytesAndKeepsToItsPrefix) {
  const std::string high = "g\xff";
  for (const std::string& key :
       {std::string("g/b"), std::string("g"), std::string("h"), high,
        high + "\xff", std::string("g/\xc3"), std::string("f/z"),
        std::string("g/a")}) {
    MustPut(*store_, key, "");
  }

  EXPECT_THAT(KeysOf(store_->ListAll("g/")),
              ElementsAre("g/a", "g/b", "g/\xc3"));
  EXPECT_THAT(KeysOf(store_->ListAll(high)), ElementsAre(high, high + "\xff"));
  EXPECT_THAT(KeysOf(store_->ListAll("\xff")), IsEmpty());
  EXPECT_THAT(KeysOf(store_->ListAll("")),
              ElementsAre("f/z", "g", "g/a", "g/b", "g/\xc3", high,
                          high + "\xff", "h"));
}

TEST_P(StoreConformanceTest, PagesOfAListJoinWithoutGapOrRepeat) {
  for (const char* key : {"a", "g/1", "g/2", "g/3", "z"}) {
    MustPut(*store_, key, "");
  }

  const absl::StatusOr<ListResult> first = store_->List("g/", 2, "");
  EXPECT_THAT(KeysOf(first), ElementsAre("g/1", "g/2"));
  EXPECT_TRUE(first->more);
  const absl::StatusOr<ListResult> second = store_->List("g/", 2, "g/2");
  EXPECT_THAT(KeysOf(second), ElementsAre("g/3"));
  EXPECT_FALSE(second->more);
  EXPECT_FALSE(store_->List("g/", 3, "")->more);
  EXPECT_THAT(KeysOf(store_->List("g/", 0, "a")),
              ElementsAre("g/1", "g/2", "g/3"));
  EXPECT_THAT(KeysOf(store_->List("g/", 0, "z")), IsEmpty());
}

TEST_P(StoreConformanceTest, MalformedTxnIsRefusedWhole) {
  Txn crowded;
  for (int i = 0; i <= kMaxTxnOps; ++i) crowded.PutKey(absl::StrCat(i), "");
  Txn wary;
  for (int i = 0; i <= kMaxTxnCompares; ++i) wary.IfAbsent(absl::StrCat(i));
  const Txn kCases[] = {
      Txn().PutKey("", "value"),
      Txn().DeleteKey(""),
      Txn().IfAbsent(""),
      Txn().PutKey(std::string(kMaxKeyBytes + 1, 'k'), ""),
      Txn().PutKey("k", std::string(kMaxValueBytes + 1, 'v')),
      Txn().PutKey("k", "1").PutKey("k", "2"),
      Txn().PutKey("k", "1").DeleteKey("k"),
      Txn().DeleteKey("k").DeleteKey("k"),
      crowded,
      wary,
  };
  for (const Txn& txn : kCases) {
    const absl::StatusOr<TxnResult> refused = store_->Commit(txn);
    EXPECT_THAT(refused, StatusIs(absl::StatusCode::kInvalidArgument));
    EXPECT_THAT(refused, HasReason(reason::kInvalidRequest));
  }
  EXPECT_EQ(store_->ListAll("")->revision, 0);
}

TEST_P(StoreConformanceTest, LargestTxnIsTaken) {
  Txn txn;
  for (int i = 0; i < kMaxTxnOps - 1; ++i) txn.PutKey(absl::StrCat(i), "");
  const std::string key(kMaxKeyBytes, '\xff');
  const std::string value(kMaxValueBytes, 'v');
  txn.PutKey(key, value);

  MustCommit(*store_, txn);

  EXPECT_THAT(store_->Get(key)->kv, Optional(KeyValue{key, value, 1}));
  EXPECT_THAT(KeysOf(store_->ListAll("\xff")), ElementsAre(key));
}

TEST_P(StoreConformanceTest, WatchTellsEachTxnOnceInOrder) {
  WatchRecorder recorder;
  const auto watch = store_->StartWatch("g/", 0, recorder.Callback());
  MustCommit(*store_, Txn().PutKey("g/b", "1").PutKey("g/a", "2"));
  MustPut(*store_, "other", "");
  MustCommit(*store_, Txn().DeleteKey("g/b").PutKey("g/c", "3"));
  MustPut(*store_, "g/a", "4");

  EXPECT_THAT(recorder.WaitFor(3),
              ElementsAre("1 +g/a=2 +g/b=1", "3 -g/b +g/c=3", "4 +g/a=4"));
}

TEST_P(StoreConformanceTest, WatchFromThePastReplaysAndThenFollows) {
  MustPut(*store_, "a", "1");
  MustPut(*store_, "a", "2");
  MustPut(*store_, "a", "3");
  WatchRecorder recorder;

  const auto watch = store_->StartWatch("a", 2, recorder.Callback());
  EXPECT_THAT(recorder.WaitFor(2), ElementsAre("2 +a=2", "3 +a=3"));
  MustPut(*store_, "a", "4");

  EXPECT_THAT(recorder.WaitFor(3), ElementsAre("2 +a=2", "3 +a=3", "4 +a=4"));
}

TEST_P(StoreConformanceTest, WatchFromNowLeavesOutWhatWasCommittedBefore) {
  MustPut(*store_, "a", "1");
  WatchRecorder recorder;
  const auto watch = store_->StartWatch("", 0, recorder.Callback());
  MustPut(*store_, "a", "2");

  EXPECT_THAT(recorder.WaitFor(1), ElementsAre("2 +a=2"));
}

TEST_P(StoreConformanceTest, WatchFromTheFutureStartsThere) {
  WatchRecorder recorder;
  const auto watch = store_->StartWatch("", 3, recorder.Callback());
  for (const char* value : {"1", "2", "3", "4"}) MustPut(*store_, "a", value);

  EXPECT_THAT(recorder.WaitFor(2), ElementsAre("3 +a=3", "4 +a=4"));
}

TEST_P(StoreConformanceTest, LongHistoryIsReplayedWhole) {
  constexpr int kChanges = 600;  // More than one page of any implementation.
  for (int i = 1; i <= kChanges; ++i) MustPut(*store_, "a", absl::StrCat(i));
  WatchRecorder recorder;
  const auto watch = store_->StartWatch("a", 1, recorder.Callback());

  const std::vector<std::string> told = recorder.WaitFor(kChanges);

  ASSERT_EQ(told.size(), kChanges);
  for (int i = 1; i <= kChanges; ++i) {
    EXPECT_EQ(told[i - 1], absl::StrCat(i, " +a=", i));
  }
}

TEST_P(StoreConformanceTest, CallbackMayUseTheStoreAndEndItsOwnWatch) {
  std::unique_ptr<Watch> watch;
  absl::Notification started;
  absl::Notification ended;
  int calls = 0;
  watch =
      store_->StartWatch("a", 0, [&](const absl::StatusOr<WatchBatch>& batch) {
        started.WaitForNotification();
        ++calls;
        EXPECT_THAT(batch, IsOk());
        MustPut(*store_, "b", "from the callback");
        watch.reset();
        ended.Notify();
      });
  started.Notify();
  MustPut(*store_, "a", "1");
  ASSERT_TRUE(ended.WaitForNotificationWithTimeout(kPatience));
  MustPut(*store_, "a", "2");

  // A watch begun now hears of the next change after the ended one would have.
  WatchRecorder recorder;
  const auto later = store_->StartWatch("a", 3, recorder.Callback());
  EXPECT_THAT(recorder.WaitFor(1), ElementsAre("3 +a=2"));
  EXPECT_EQ(calls, 1);
}

TEST_P(StoreConformanceTest, EndingAWatchWaitsForItsCall) {
  absl::Notification entered;
  absl::Notification leave;
  bool left = false;
  auto watch =
      store_->StartWatch("a", 0, [&](const absl::StatusOr<WatchBatch>&) {
        entered.Notify();
        leave.WaitForNotificationWithTimeout(kPatience);
        left = true;
      });
  MustPut(*store_, "a", "1");
  ASSERT_TRUE(entered.WaitForNotificationWithTimeout(kPatience));

  std::thread releaser([&] { leave.Notify(); });
  watch.reset();

  EXPECT_TRUE(left);
  releaser.join();
}

TEST_P(StoreConformanceTest, WatchOfCompactedHistoryFailsForGood) {
  for (const char* value : {"1", "2", "3"}) MustPut(*store_, "a", value);
  ASSERT_THAT(store_->Compact(3), IsOk());
  WatchRecorder late;
  WatchRecorder timely;

  const auto too_late = store_->StartWatch("a", 2, late.Callback());
  const auto in_time = store_->StartWatch("a", 3, timely.Callback());

  EXPECT_THAT(late.WaitFor(1), ElementsAre("OUT_OF_RANGE"));
  EXPECT_THAT(late.status(), HasReason(reason::kRevisionCompacted));
  EXPECT_THAT(timely.WaitFor(1), ElementsAre("3 +a=3"));
  MustPut(*store_, "a", "4");
  EXPECT_THAT(timely.WaitFor(2), ElementsAre("3 +a=3", "4 +a=4"));
  EXPECT_THAT(late.WaitFor(1), ElementsAre("OUT_OF_RANGE"));
}

TEST_P(StoreConformanceTest, CompactionKeepsPresentKeys) {
  MustPut(*store_, "a", "1");
  MustPut(*store_, "b", "2");
  ASSERT_THAT(store_->Compact(2), IsOk());
  EXPECT_THAT(store_->Compact(1), IsOk());

  EXPECT_THAT(store_->ListAll("")->kvs,
              ElementsAre(KeyValue{"a", "1", 1}, KeyValue{"b", "2", 2}));
}

TEST_P(StoreConformanceTest, CompactionOfTheFutureIsRefused) {
  MustPut(*store_, "a", "1");

  EXPECT_THAT(store_->Compact(2), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_P(StoreConformanceTest, ConcurrentCompareAndSwapLosesNothing) {
  constexpr int kThreads = 8;
  constexpr int kIncrements = 25;
  MustPut(*store_, "counter", "0");
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([this] {
      for (int done = 0; done < kIncrements;) {
        const KeyValue seen = *store_->Get("counter")->kv;
        int value = 0;
        ASSERT_TRUE(absl::SimpleAtoi(seen.value, &value));
        const absl::StatusOr<TxnResult> result =
            store_->Commit(Txn()
                               .IfModRevision("counter", seen.mod_revision)
                               .PutKey("counter", absl::StrCat(value + 1)));
        ASSERT_THAT(result, IsOk());
        if (result->committed) ++done;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();

  const KeyValue last = *store_->Get("counter")->kv;
  EXPECT_EQ(last.value, absl::StrCat(kThreads * kIncrements));
  EXPECT_EQ(last.mod_revision, kThreads * kIncrements + 1);
}

TEST_P(StoreConformanceTest, ListThenWatchMissesNothingWhileOthersWrite) {
  constexpr int kThreads = 4;
  constexpr int kPuts = 50;
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([this, t] {
      for (int i = 0; i < kPuts; ++i) {
        MustPut(*store_, absl::StrCat("k/", t, "/", i), "");
      }
    });
  }
  const absl::StatusOr<ListResult> seen = store_->ListAll("k/");
  EXPECT_THAT(seen, IsOk());
  WatchRecorder recorder;
  const auto watch =
      store_->StartWatch("k/", seen->revision + 1, recorder.Callback());
  for (std::thread& thread : threads) thread.join();

  // Every put has a revision of its own, so the watch has the rest, in order.
  const size_t rest = size_t{kThreads} * kPuts - seen->kvs.size();
  const std::vector<std::string> told = recorder.WaitFor(rest);
  ASSERT_EQ(told.size(), rest);
  for (size_t i = 0; i < rest; ++i) {
    EXPECT_EQ(told[i].substr(0, told[i].find(' ')),
              absl::StrCat(seen->revision + 1 + i));
  }
}

TEST_P(StoreConformanceTest, ReaderNeverSeesHalfATxn) {
  MustCommit(*store_, Txn().PutKey("p/a", "0").PutKey("p/b", "0"));
  std::thread writer([this] {
    for (int i = 1; i <= 100; ++i) {
      const std::string value = absl::StrCat(i);
      MustCommit(*store_, Txn().PutKey("p/a", value).PutKey("p/b", value));
    }
  });
  for (int i = 0; i < 100; ++i) {
    const absl::StatusOr<ListResult> pair = store_->ListAll("p/");
    ASSERT_THAT(pair, IsOk());
    ASSERT_EQ(pair->kvs.size(), 2u);
    EXPECT_EQ(pair->kvs[0].value, pair->kvs[1].value);
    EXPECT_EQ(pair->kvs[0].mod_revision, pair->revision);
  }
  writer.join();
}

}  // namespace
}  // namespace innkeeper
