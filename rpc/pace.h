// What one connection may send.
#ifndef INNKEEPER_RPC_PACE_H_
#define INNKEEPER_RPC_PACE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "rpc/token_bucket.h"

namespace innkeeper {

// A little of its own, and then its share of a bucket that it has together with
// others: with those of its source until it is known who is there, with those
// of the same principal from then on. So more connections send no more.
//
// Available, Take and UntilAvailable belong to the one thread that reads the
// connection; the rest is thread-safe.
class Pace {
 public:
  // As much as a handshake takes: it does not wait for what others of the
  // source send.
  static constexpr int64_t kOwnBytes = 4 << 10;
  // About what the smallest call takes. Who calls and waits for the answer gets
  // it back, and is not slowed down; who only sends is.
  static constexpr int64_t kCallBytes = 64;

  explicit Pace(std::shared_ptr<TokenBucket> bucket,
                int64_t own_bytes = kOwnBytes)
      : own_(own_bytes), bucket_(std::move(bucket)) {}
  Pace(const Pace&) = delete;
  Pace& operator=(const Pace&) = delete;

  // Takes from `bucket` from now on.
  void Share(std::shared_ptr<TokenBucket> bucket) ABSL_LOCKS_EXCLUDED(mutex_);
  void SetUnlimited() { unlimited_.store(true, std::memory_order_relaxed); }
  bool unlimited() const { return unlimited_.load(std::memory_order_relaxed); }
  // A call has come as far as the gate.
  void OnCall() ABSL_LOCKS_EXCLUDED(mutex_);

  // As those of TokenBucket.
  int64_t Available(absl::Time now) ABSL_LOCKS_EXCLUDED(mutex_);
  void Take(int64_t bytes) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Duration UntilAvailable(int64_t bytes) const
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  std::shared_ptr<TokenBucket> bucket() const ABSL_LOCKS_EXCLUDED(mutex_);

  std::atomic<bool> unlimited_{false};
  int64_t own_;
  // A leaf lock.
  mutable absl::Mutex mutex_;
  std::shared_ptr<TokenBucket> bucket_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace innkeeper

#endif  // INNKEEPER_RPC_PACE_H_
