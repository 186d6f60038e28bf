#include "rpc/stream_core.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/reason.h"

namespace innkeeper {

void StreamCore::Finish(absl::Status status) {
  // Destroyed after the lock is given up: they may own the producer.
  Handler cancel_handler;
  std::shared_ptr<Handler> drain_handler;
  absl::MutexLock lock(&mutex_);
  if (finished_ || closing_.has_value()) return;
  cancel_handler = std::move(cancel_handler_);
  cancel_handler_ = nullptr;
  drain_handler = std::move(drain_handler_);
  drain_handler_ = nullptr;
  if (in_flight_ == nullptr) {
    SendFinish(status);
  } else {
    closing_ = std::move(status);
  }
}

void StreamCore::SetCancelHandler(absl::AnyInvocable<void()> handler) {
  Handler old;
  {
    absl::MutexLock lock(&mutex_);
    if (!aborted_) {
      old = std::move(cancel_handler_);
      if (!finished_ && !closing_.has_value()) {
        cancel_handler_ = std::move(handler);
      }
      return;
    }
  }
  handler();
}

void StreamCore::SetDrainHandler(absl::AnyInvocable<void()> handler) {
  auto shared = std::make_shared<Handler>(std::move(handler));
  absl::MutexLock lock(&mutex_);
  if (finished_ || closing_.has_value()) return;
  drain_handler_.swap(shared);
}

bool StreamCore::WritePermitted() const {
  absl::MutexLock lock(&mutex_);
  return !finished_ && !closing_.has_value() &&
         queue_.size() < kMaxMessages / 2 && queued_bytes_ < kMaxBytes / 2;
}

bool StreamCore::open() const {
  absl::MutexLock lock(&mutex_);
  return !finished_ && !closing_.has_value();
}

bool StreamCore::Enqueue(std::shared_ptr<const void> message, size_t bytes) {
  {
    absl::MutexLock lock(&mutex_);
    if (finished_ || closing_.has_value()) return false;
    const bool full = queue_.size() >= kMaxMessages ||
                      (!queue_.empty() && queued_bytes_ + bytes > kMaxBytes);
    if (!full) {
      queued_bytes_ += bytes;
      queue_.push_back({std::move(message), bytes});
      if (in_flight_ == nullptr) WriteNext();
      return true;
    }
  }
  Abort(Error(absl::StatusCode::kResourceExhausted, reason::kWatcherTooSlow,
              absl::StrCat("the client did not read fast enough: more than ",
                           kMaxMessages, " messages or ", kMaxBytes,
                           " bytes were waiting; resume from the last mark")));
  return false;
}

bool StreamCore::StartRead() {
  absl::MutexLock lock(&mutex_);
  if (finished_ || done_) return false;
  wire_->StartReadOf();
  return true;
}

void StreamCore::Abort(const absl::Status& status) {
  Handler cancel_handler;
  std::shared_ptr<Handler> drain_handler;
  std::deque<Item> dropped;
  {
    absl::MutexLock lock(&mutex_);
    if (finished_) return;
    aborted_ = true;
    dropped.swap(queue_);
    queued_bytes_ = 0;
    cancel_handler = std::move(cancel_handler_);
    cancel_handler_ = nullptr;
    drain_handler = std::move(drain_handler_);
    drain_handler_ = nullptr;
    // A write may still be under way. Its bytes and then the status reach a
    // client that begins to read again; Tick() ends one that does not.
    SendFinish(status);
  }
  if (cancel_handler) cancel_handler();
}

void StreamCore::Tick(absl::Time now) {
  absl::MutexLock lock(&mutex_);
  if (!finished_ || done_) return;
  if (linger_end_ == absl::InfiniteFuture()) {
    linger_end_ = now + kLinger;
  } else if (now >= linger_end_) {
    wire_->CancelCall();
  }
}

void StreamCore::OnWriteDone(bool ok) {
  std::shared_ptr<const void> sent;
  {
    absl::MutexLock lock(&mutex_);
    sent = std::move(in_flight_);
    in_flight_ = nullptr;
    if (finished_) return;
    if (ok && !queue_.empty()) {
      WriteNext();
      return;
    }
    if (ok && closing_.has_value()) {
      SendFinish(*closing_);
      return;
    }
    if (ok) {
      // What the handler writes may be sent while it still runs.
      drain_wanted_ = true;
      if (draining_) return;
      draining_ = true;
    }
  }
  if (ok) {
    Drain();
  } else {
    OnCancelled();
  }
}

void StreamCore::Drain() {
  while (true) {
    std::shared_ptr<Handler> handler;
    {
      absl::MutexLock lock(&mutex_);
      handler = drain_handler_;
      if (!std::exchange(drain_wanted_, false) || handler == nullptr ||
          in_flight_ != nullptr) {
        draining_ = false;
        return;
      }
    }
    (*handler)();
  }
}

void StreamCore::OnCancelled() {
  Abort(Error(absl::StatusCode::kCancelled, reason::kOperationCancelled,
              "the client went away"));
}

void StreamCore::OnDone() {
  absl::MutexLock lock(&mutex_);
  done_ = true;
}

void StreamCore::WriteNext() {
  in_flight_ = std::move(queue_.front().message);
  queued_bytes_ -= queue_.front().bytes;
  queue_.pop_front();
  wire_->StartWriteOf(in_flight_.get());
}

void StreamCore::SendFinish(const absl::Status& status) {
  finished_ = true;
  wire_->FinishWith(status);
}

}  // namespace innkeeper
