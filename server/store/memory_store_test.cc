#include "server/store/memory_store.h"

#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/store/testing/store_conformance.h"
#include "server/store/testing/watch_recorder.h"

namespace innkeeper {
namespace {

using ::testing::ElementsAre;

std::shared_ptr<Store> MakeMemoryStore() {
  return std::make_shared<MemoryStore>();
}

INSTANTIATE_TEST_SUITE_P(Memory, StoreConformanceTest,
                         testing::Values(MakeMemoryStore));

TEST(MemoryStoreTest, HeldWatchHearsEverythingLater) {
  MemoryStore store;
  WatchRecorder recorder;
  const auto watch = store.StartWatch("", 0, recorder.Callback());
  store.HoldWatches(true);
  ASSERT_THAT(store.Commit(Txn().PutKey("a", "1")), IsOk());
  ASSERT_THAT(store.Commit(Txn().PutKey("a", "2")), IsOk());

  store.HoldWatches(false);

  EXPECT_THAT(recorder.WaitFor(2), ElementsAre("1 +a=1", "2 +a=2"));
}

TEST(MemoryStoreTest, WatchThatLagsBehindCompactionFails) {
  MemoryStore store;
  WatchRecorder recorder;
  const auto watch = store.StartWatch("", 0, recorder.Callback());
  store.HoldWatches(true);
  ASSERT_THAT(store.Commit(Txn().PutKey("a", "1")), IsOk());
  ASSERT_THAT(store.Commit(Txn().PutKey("a", "2")), IsOk());
  ASSERT_THAT(store.Compact(2), IsOk());

  store.HoldWatches(false);

  EXPECT_THAT(recorder.WaitFor(1), ElementsAre("OUT_OF_RANGE"));
}

}  // namespace
}  // namespace innkeeper
