// Feeds the watches of a store that keeps its own history of changes.
#ifndef INNKEEPER_SERVER_STORE_WATCH_DISPATCHER_H_
#define INNKEEPER_SERVER_STORE_WATCH_DISPATCHER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "server/store/store.h"

namespace innkeeper {

// Some of the changes of a store, in order.
struct HistoryPage {
  std::vector<WatchBatch> batches;
  // The page holds every change from the revision asked for to this one; less
  // than the revision asked for if there is none yet.
  int64_t last_revision = 0;
};

// Owns one thread, which reads the history and calls every callback. A watch
// that lags reads pages of its own, so it does not hold the others up for
// longer than a page. Thread-safe.
class WatchDispatcher {
 public:
  // Reads the next page of all keys' changes at `from_revision` and later.
  // Called on the dispatcher's thread only; may block. OUT_OF_RANGE
  // (REVISION_COMPACTED) if changes from there on have been forgotten.
  using ReadHistory =
      absl::AnyInvocable<absl::StatusOr<HistoryPage>(int64_t from_revision)>;

  // `revision`: the store's present one.
  WatchDispatcher(int64_t revision, ReadHistory read_history);
  // Every Watch is gone by now.
  ~WatchDispatcher();

  WatchDispatcher(const WatchDispatcher&) = delete;
  WatchDispatcher& operator=(const WatchDispatcher&) = delete;

  // As Store::StartWatch.
  std::unique_ptr<Watch> StartWatch(absl::string_view prefix,
                                    int64_t from_revision,
                                    WatchCallback callback)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // The store has reached `revision`, which ReadHistory can read. Never
  // blocks. A store calls it before it answers the Commit.
  void Advance(int64_t revision) ABSL_LOCKS_EXCLUDED(mutex_);

  // While held back no callback is called; what happens meanwhile follows
  // later. For tests of late events.
  void HoldBack(bool hold) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Subscription;
  class Handle;

  using Group = std::vector<std::shared_ptr<Subscription>>;

  void Loop();
  bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The subscriptions that lag, by the revision that each waits for.
  std::map<int64_t, Group> Lagging() ABSL_LOCKS_EXCLUDED(mutex_);
  void Serve(int64_t from_revision, const Group& group);
  // Calls back unless the watch is closed, even meanwhile.
  void Call(Subscription& subscription, absl::StatusOr<WatchBatch> batch)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void Close(const std::shared_ptr<Subscription>& subscription)
      ABSL_LOCKS_EXCLUDED(mutex_);

  ReadHistory read_history_;  // The dispatcher's thread alone uses it.

  // A leaf lock: nothing is called while it is held.
  absl::Mutex mutex_;
  int64_t revision_ ABSL_GUARDED_BY(mutex_);
  bool held_back_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  // Those that still want events.
  std::vector<std::shared_ptr<Subscription>> subscriptions_
      ABSL_GUARDED_BY(mutex_);

  std::thread thread_;  // Started last: it uses all of the above.
};

}  // namespace innkeeper

#endif  // INNKEEPER_SERVER_STORE_WATCH_DISPATCHER_H_
