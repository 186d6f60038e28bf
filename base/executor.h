// A bounded pool of worker threads for work that may wait for a disk.
#ifndef INNKEEPER_BASE_EXECUTOR_H_
#define INNKEEPER_BASE_EXECUTOR_H_

#include <cstddef>
#include <deque>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"

namespace innkeeper {

// Thread-safe. Work must not wait for a guest or for the network.
class Executor {
 public:
  // `threads` workers named `name`; at most `queue_limit` tasks wait.
  Executor(absl::string_view name, int threads, size_t queue_limit);
  // Runs what was accepted, then ends the workers.
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  // Runs `task` on a worker. RESOURCE_EXHAUSTED (TOO_MANY_REQUESTS) if the
  // queue is full; `task` is then destroyed unrun.
  absl::Status Submit(absl::AnyInvocable<void()> task)
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Work() ABSL_LOCKS_EXCLUDED(mutex_);
  bool HasWorkOrStops() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopping_ || !queue_.empty();
  }

  const size_t queue_limit_;
  absl::Mutex mutex_;
  std::deque<absl::AnyInvocable<void()>> queue_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> workers_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_BASE_EXECUTOR_H_
