// A stream whose client is the test: it reads when the test says so. Testonly.
#ifndef INNKEEPER_RPC_TESTING_PULLED_STREAM_H_
#define INNKEEPER_RPC_TESTING_PULLED_STREAM_H_

#include <memory>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "rpc/stream_core.h"
#include "rpc/stream_writer.h"

namespace innkeeper {

// Thread-safe. The producer is given writer().
template <typename Response>
class PulledStream final : public StreamCore::Wire {
 public:
  static constexpr absl::Duration kPatience = absl::Seconds(20);

  PulledStream() : writer_(std::make_shared<StreamWriter<Response>>(this)) {}
  // The client goes away, if it has not before; the producer may go on.
  ~PulledStream() override {
    Cancel();
    writer_->OnDone();
  }

  const std::shared_ptr<StreamWriter<Response>>& writer() { return writer_; }

  // The next message; nullopt once there is none and the stream has ended, or
  // if that takes longer than kPatience.
  std::optional<Response> Read() ABSL_LOCKS_EXCLUDED(mutex_) {
    std::optional<Response> message;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.AwaitWithTimeout(
          absl::Condition(this, &PulledStream::HasMessageOrEnd), kPatience);
      if (in_flight_ == nullptr) return std::nullopt;
      message = *in_flight_;
      in_flight_ = nullptr;
    }
    writer_->OnWriteDone(true);
    return message;
  }
  // The stream's status, after whatever comes before it; UNKNOWN if it does
  // not end in time.
  absl::Status End() {
    while (Read().has_value()) {
    }
    absl::MutexLock lock(&mutex_);
    return end_.value_or(absl::UnknownError("the stream does not end"));
  }
  // The client goes away.
  void Cancel() { writer_->OnCancelled(); }

  void StartWriteOf(const void* message) override ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    in_flight_ = static_cast<const Response*>(message);
  }
  void FinishWith(const absl::Status& status) override
      ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    end_ = status;
  }
  void StartReadOf() override {}
  void CancelCall() override {}

 private:
  bool HasMessageOrEnd() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return in_flight_ != nullptr || end_.has_value();
  }

  const std::shared_ptr<StreamWriter<Response>> writer_;
  mutable absl::Mutex mutex_;
  const Response* in_flight_ ABSL_GUARDED_BY(mutex_) = nullptr;
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace innkeeper

#endif  // INNKEEPER_RPC_TESTING_PULLED_STREAM_H_
