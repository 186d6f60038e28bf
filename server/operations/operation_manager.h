// Keeps the cluster's operations: durable in the store, at hand in memory.
#ifndef INNKEEPER_SERVER_OPERATIONS_OPERATION_MANAGER_H_
#define INNKEEPER_SERVER_OPERATIONS_OPERATION_MANAGER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/completion.h"
#include "base/event_loop.h"
#include "server/operations/cluster_operation.h"
#include "server/operations/operation_index.h"
#include "server/operations/operation_waiters.h"
#include "server/store/store.h"

namespace innkeeper {

// Life of an operation: it is begun by a Txn that may do more (reserve
// capacity, take a name, note a request id); whoever runs it records each step
// before it acts; it is finished once, and that result stands. What a server
// left unfinished is in Unfinished() of the next one, to be gone on with from
// its step. Operations of other servers on the same store show here, too.
//
// Thread-safe. Methods that take a Store's time block; they say so. Those may
// fail as Store::Commit does, UNKNOWN included.
class OperationManager {
 public:
  struct Options {
    const Clock* clock = Clock::Real();
    // How long finished operations are kept.
    absl::Duration retention = absl::Hours(30 * 24);
  };
  // A state of one operation that never changes.
  using Entry = std::shared_ptr<const ClusterOperation>;
  using Change = absl::FunctionRef<void(ClusterOperation&)>;
  using Visible = absl::FunctionRef<bool(const ClusterOperation&)>;

  // Reads every operation; blocks. `store` and `loop` must outlive it. Errors
  // of Store::List.
  static absl::StatusOr<std::unique_ptr<OperationManager>> Create(
      Store* store, EventLoop* loop, const Options& options);
  static absl::StatusOr<std::unique_ptr<OperationManager>> Create(
      Store* store, EventLoop* loop) {
    return Create(store, loop, Options());
  }
  // Ends every Wait with UNAVAILABLE (SHUTTING_DOWN). Not on the loop.
  ~OperationManager();

  // Building blocks. What begins `operation`, whose name is new; its times are
  // set. Once the Txn is committed, Load brings the operation into memory.
  Txn MakeStart(ClusterOperation operation) const;
  // Reads one operation from the store; blocks. NOT_FOUND
  // (OPERATION_NOT_FOUND): there is none.
  absl::StatusOr<ClusterOperation> Load(absl::string_view name);

  // Commits MakeStart(operation) with `companion`; blocks. Not committed: the
  // name is taken, or a compare of `companion` failed.
  absl::StatusOr<TxnResult> Start(ClusterOperation operation,
                                  Txn companion = Txn());

  // Applies `change`, which may be called more than once, and commits it with
  // `companion`; blocks. The state that came of it. An operation that is done
  // is returned as it is, and `companion` is not committed.
  // NOT_FOUND (OPERATION_NOT_FOUND). ABORTED (STORE_CONFLICT): a compare of
  // `companion` failed, or others changed the operation without end.
  absl::StatusOr<ClusterOperation> Update(absl::string_view name, Change change,
                                          const Txn& companion = Txn());
  // Update by which the operation is done, with the response's bytes or an
  // error; its step is "done". Whoever waits for it is woken.
  absl::StatusOr<ClusterOperation> Finish(absl::string_view name,
                                          absl::StatusOr<std::string> result,
                                          const Txn& companion = Txn());
  // Shows what the host that runs the operation says of it. In memory only: a
  // step that costs nothing to lose is not worth a write. Does not block.
  void ShowStep(absl::string_view name, absl::string_view step) {
    index_.ShowStep(name, step);
  }
  // Update that sets cancel_requested; whoever runs the operation looks at it
  // between steps.
  absl::StatusOr<ClusterOperation> RequestCancel(absl::string_view name);

  // From memory; null if there is none.
  Entry Find(absl::string_view name) const { return index_.Find(name); }
  // From memory; the newest that is about the guest of that id, or null.
  Entry FindLast(absl::string_view guest) const {
    return index_.FindLast(guest);
  }
  // From memory: those that `visible` admits, the newest first, at most
  // `limit` (0: all). A page goes on after the entry `start_after`, which may
  // have been deleted meanwhile (null: from the newest).
  std::vector<Entry> List(Visible visible, int64_t limit,
                          const ClusterOperation* start_after) const;
  // From memory: those not done, the oldest first.
  std::vector<Entry> Unfinished() const;

  // Completes, on the loop, when the operation is done or after `timeout`, as
  // the operation is then; at once for a `timeout` of 0. Does not block.
  // NOT_FOUND (OPERATION_NOT_FOUND). RESOURCE_EXHAUSTED (TOO_MANY_REQUESTS):
  // 10,000 calls wait already.
  void Wait(absl::string_view name, absl::Duration timeout,
            Completion<ClusterOperation> done) {
    waiters_.Wait(name, timeout, std::move(done));
  }

  // To be called every minute or so: deletes what was done longer ago than
  // the retention, and reads all anew if the watch of the store broke. Blocks;
  // one call at a time. Errors of the store: call again later.
  absl::Status Maintain() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  OperationManager(Store* store, EventLoop* loop, const Options& options)
      : store_(store), options_(options), waiters_(loop, &index_) {}

  // Gives a new operation its times and its update_id.
  void Stamp(ClusterOperation& operation) const;
  // Reads every operation and watches from there on.
  absl::Status Synchronize() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status CollectGarbage();
  // Brings a state into memory and wakes who waited for it.
  void Learn(ClusterOperation operation);
  void Forget(absl::string_view name, int64_t revision);
  // On the store's thread.
  void OnBatch(const absl::StatusOr<WatchBatch>& batch)
      ABSL_LOCKS_EXCLUDED(mutex_);

  Store* const store_;
  const Options options_;
  OperationIndex index_;
  OperationWaiters waiters_;

  // A leaf lock: nothing is called while it is held.
  absl::Mutex mutex_;
  bool watch_broken_ ABSL_GUARDED_BY(mutex_) = false;
  // Replaced by Maintain only; gone first, for it uses all of the above.
  std::unique_ptr<Watch> watch_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_SERVER_OPERATIONS_OPERATION_MANAGER_H_
