// Writes down what a watch delivers.
#ifndef INNKEEPER_SERVER_STORE_TESTING_WATCH_RECORDER_H_
#define INNKEEPER_SERVER_STORE_TESTING_WATCH_RECORDER_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/store/store.h"

namespace innkeeper {

// Thread-safe. Must outlive the watch that it is the callback of.
class WatchRecorder {
 public:
  WatchCallback Callback() {
    return [this](absl::StatusOr<WatchBatch> batch) {
      absl::MutexLock lock(&mutex_);
      if (batch.ok()) {
        batches_.push_back(*std::move(batch));
      } else {
        status_ = batch.status();
      }
    };
  }

  // Waits at most 10 s for `count` batches or an error, and tells each batch as
  // "REVISION +KEY=VALUE -KEY"; the error comes last, as its code.
  std::vector<std::string> WaitFor(size_t count) {
    absl::MutexLock lock(&mutex_);
    const auto arrived = [this, count] {
      mutex_.AssertHeld();
      return batches_.size() >= count || !status_.ok();
    };
    mutex_.AwaitWithTimeout(absl::Condition(&arrived), absl::Seconds(10));
    std::vector<std::string> told;
    for (const WatchBatch& batch : batches_) {
      std::string& line = told.emplace_back(absl::StrCat(batch.revision));
      for (const StoreEvent& event : batch.events) {
        if (event.type == StoreEvent::Type::kPut) {
          absl::StrAppend(&line, " +", event.kv.key, "=", event.kv.value);
        } else {
          absl::StrAppend(&line, " -", event.kv.key);
        }
      }
    }
    if (!status_.ok()) {
      told.push_back(absl::StatusCodeToString(status_.code()));
    }
    return told;
  }

  absl::Status status() {
    absl::MutexLock lock(&mutex_);
    return status_;
  }

 private:
  absl::Mutex mutex_;
  std::vector<WatchBatch> batches_ ABSL_GUARDED_BY(mutex_);
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace innkeeper

#endif  // INNKEEPER_SERVER_STORE_TESTING_WATCH_RECORDER_H_
