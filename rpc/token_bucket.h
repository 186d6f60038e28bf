// How much may be sent in a time.
#ifndef INNKEEPER_RPC_TOKEN_BUCKET_H_
#define INNKEEPER_RPC_TOKEN_BUCKET_H_

#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace innkeeper {

// The time that buckets go by. It has no epoch and never goes back.
absl::Time SteadyNow();

// Tokens are bytes. Thread-safe. Starts full.
class TokenBucket {
 public:
  // A stream that is opened and reset at once takes 30 bytes, and gRPC 0.1 to
  // 0.2 ms of a processor and some KiB of memory until it gets to it. At this
  // rate it keeps up, and a burst of pings ends before it is a load.
  static constexpr int64_t kRate = 64 << 10;  // Bytes a second.
  static constexpr int64_t kBurst = 16 << 10;

  explicit TokenBucket(int64_t rate = kRate, int64_t burst = kBurst)
      : rate_(rate), burst_(burst), tokens_(burst) {}
  TokenBucket(const TokenBucket&) = delete;
  TokenBucket& operator=(const TokenBucket&) = delete;

  // How many bytes may be taken at `now`; 0 if none.
  int64_t Available(absl::Time now) ABSL_LOCKS_EXCLUDED(mutex_);
  // Takes `bytes`. Others may have taken what was available: then it lasts
  // longer until there is something again.
  void Take(int64_t bytes) ABSL_LOCKS_EXCLUDED(mutex_);
  // Puts `bytes` in; what does not fit is lost.
  void Give(int64_t bytes) ABSL_LOCKS_EXCLUDED(mutex_);
  // How long until at least `bytes`, at most the burst, are there.
  absl::Duration UntilAvailable(int64_t bytes) const
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Whether it is as good as new.
  bool IsFull(absl::Time now) { return Available(now) == burst_; }

 private:
  const int64_t rate_;
  const int64_t burst_;
  // A leaf lock.
  mutable absl::Mutex mutex_;
  int64_t tokens_ ABSL_GUARDED_BY(mutex_);
  absl::Time refilled_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
};

}  // namespace innkeeper

#endif  // INNKEEPER_RPC_TOKEN_BUCKET_H_
