#include "base/executor.h"

#include <pthread.h>

#include <cstddef>
#include <string>
#include <thread>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/error.h"
#include "base/reason.h"

namespace innkeeper {

Executor::Executor(absl::string_view name, int threads, size_t queue_limit)
    : queue_limit_(queue_limit) {
  for (int i = 0; i < threads; ++i) {
    workers_.emplace_back([this] { Work(); });
    pthread_setname_np(workers_.back().native_handle(),
                       std::string(name.substr(0, 15)).c_str());
  }
}

Executor::~Executor() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  for (std::thread& worker : workers_) worker.join();
}

absl::Status Executor::Submit(absl::AnyInvocable<void()> task) {
  absl::MutexLock lock(&mutex_);
  if (queue_.size() >= queue_limit_) {
    return Error(absl::StatusCode::kResourceExhausted, reason::kTooManyRequests,
                 "too much work is waiting; try again in a moment")
        .RetryAfter(absl::Seconds(1));
  }
  queue_.push_back(std::move(task));
  return absl::OkStatus();
}

void Executor::Work() {
  while (true) {
    absl::AnyInvocable<void()> task;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(this, &Executor::HasWorkOrStops));
      if (queue_.empty()) return;
      task = std::move(queue_.front());
      queue_.pop_front();
    }
    task();
  }
}

}  // namespace innkeeper
