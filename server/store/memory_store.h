// A Store that forgets everything at its end: for tests, with any fault added
// by FaultyStore, and for a look around without a disk.
#ifndef INNKEEPER_SERVER_STORE_MEMORY_STORE_H_
#define INNKEEPER_SERVER_STORE_MEMORY_STORE_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "server/store/store.h"
#include "server/store/watch_dispatcher.h"

namespace innkeeper {

// Keeps the last 10,000 revisions for watches. Thread-safe; no method blocks.
class MemoryStore : public Store {
 public:
  MemoryStore();
  ~MemoryStore() override;

  absl::StatusOr<GetResult> Get(absl::string_view key) override;
  absl::StatusOr<ListResult> List(absl::string_view prefix, int64_t limit,
                                  absl::string_view start_after) override;
  absl::StatusOr<TxnResult> Commit(const Txn& txn) override;
  std::unique_ptr<Watch> StartWatch(absl::string_view prefix,
                                    int64_t from_revision,
                                    WatchCallback callback) override;
  absl::Status Compact(int64_t revision) override;

  // While true, watches hear nothing; they hear it all afterwards.
  void HoldWatches(bool hold) { dispatcher_.HoldBack(hold); }

 private:
  using Entries = std::map<std::string, KeyValue, std::less<>>;

  // Writes `txn`, whose compares hold, at the next revision.
  void Apply(const Txn& txn) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  int64_t ModRevision(absl::string_view key) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<HistoryPage> ReadHistory(int64_t from_revision)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // A leaf lock: nothing is called while it is held.
  absl::Mutex mutex_;
  int64_t revision_ ABSL_GUARDED_BY(mutex_) = 0;
  // Changes before this revision are forgotten.
  int64_t first_kept_ ABSL_GUARDED_BY(mutex_) = 1;
  Entries entries_ ABSL_GUARDED_BY(mutex_);
  // Of the revisions from first_kept_ to revision_, one batch each.
  std::deque<WatchBatch> history_ ABSL_GUARDED_BY(mutex_);

  WatchDispatcher dispatcher_;  // Last: its thread reads the above.
};

}  // namespace innkeeper

#endif  // INNKEEPER_SERVER_STORE_MEMORY_STORE_H_
