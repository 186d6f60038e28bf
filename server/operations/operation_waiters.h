// Calls that wait for operations to finish, without a thread for each.
#ifndef INNKEEPER_SERVER_OPERATIONS_OPERATION_WAITERS_H_
#define INNKEEPER_SERVER_OPERATIONS_OPERATION_WAITERS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/completion.h"
#include "base/event_loop.h"
#include "server/operations/cluster_operation.h"
#include "server/operations/operation_index.h"

namespace innkeeper {

// Wait and Wake are thread-safe. `loop` and `index` must outlive it.
class OperationWaiters {
 public:
  static constexpr size_t kMaxWaiters = 10'000;

  OperationWaiters(EventLoop* loop, const OperationIndex* index)
      : loop_(loop), index_(index) {}
  // Ends every wait with UNAVAILABLE (SHUTTING_DOWN). Not on the loop.
  ~OperationWaiters();

  // As OperationManager::Wait.
  void Wait(absl::string_view name, absl::Duration timeout,
            Completion<ClusterOperation> done);
  // `name` is done or gone: the index says which.
  void Wake(absl::string_view name);

 private:
  struct Waiter {
    Completion<ClusterOperation> done;
    EventLoop::TimerId timer = 0;
  };
  // By name and by a number for each wait.
  using Waiters = std::map<std::pair<std::string, uint64_t>, Waiter>;

  // The methods and fields below are the loop's.
  void Add(std::string name, absl::Duration timeout,
           Completion<ClusterOperation> done);
  void WakeAll(const std::string& name);
  // Removes the waiter and completes it with what the index has now.
  void Finish(Waiters::iterator waiter);

  EventLoop* const loop_;
  const OperationIndex* const index_;
  Waiters waiters_;
  uint64_t next_ = 0;
};

}  // namespace innkeeper

#endif  // INNKEEPER_SERVER_OPERATIONS_OPERATION_WAITERS_H_
