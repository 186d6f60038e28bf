// Who waits for which operation of this host.
#ifndef INNKEEPER_AGENT_SUPERVISOR_OPERATION_TRACKER_H_
#define INNKEEPER_AGENT_SUPERVISOR_OPERATION_TRACKER_H_

#include <list>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "agent/store/agent_store.h"
#include "agent/store/store_types.h"
#include "base/completion.h"
#include "base/event_loop.h"

namespace innkeeper {

// Thread-safe. A waiter costs a list entry and a timer, never a thread. `store`
// and `loop` must outlive it; destroyed after the loop's last task has run.
class OperationTracker {
 public:
  OperationTracker(AgentStore* store, EventLoop* loop)
      : store_(store), loop_(loop) {}

  // The operation was committed: keeps what runs at hand and wakes those who
  // wait for one that is done. Called after everything else that the commit
  // changed shows: nobody is told by this class that an operation is done
  // before a list shows what it has done.
  void Publish(const OperationRecord& operation) ABSL_LOCKS_EXCLUDED(mutex_);

  // The operation as it is. Blocks on the disk for one that is done. NOT_FOUND
  // (OPERATION_NOT_FOUND).
  absl::StatusOr<OperationRecord> Get(absl::string_view name)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // `operation`, read from the store just now, as it may be shown: still
  // running if its end was not published yet.
  OperationRecord Shown(OperationRecord operation) ABSL_LOCKS_EXCLUDED(mutex_);

  // Answers, on the loop or at once, when the operation is done or `timeout`
  // (at most 1 h) has passed, with the operation as it then is.
  void Wait(const std::string& name, absl::Duration timeout,
            Completion<OperationRecord> done) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Waiter {
    Completion<OperationRecord> done;
    EventLoop::TimerId timer = 0;  // Used on the loop only.
  };
  struct Running {
    OperationRecord operation;
    std::list<std::shared_ptr<Waiter>> waiters;
  };

  // False, and `done` is untouched, if the operation is not running.
  bool Enlist(const std::string& name, absl::Duration timeout,
              Completion<OperationRecord>* done) ABSL_LOCKS_EXCLUDED(mutex_);
  void TimeOut(const std::string& name, const std::shared_ptr<Waiter>& waiter)
      ABSL_LOCKS_EXCLUDED(mutex_);

  AgentStore* const store_;
  EventLoop* const loop_;
  // A leaf lock.
  absl::Mutex mutex_;
  absl::flat_hash_map<std::string, Running> running_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_SUPERVISOR_OPERATION_TRACKER_H_
