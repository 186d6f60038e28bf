#include "rpc/token_bucket.h"

#include <time.h>

#include <algorithm>
#include <cstdint>

#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace innkeeper {

absl::Time SteadyNow() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return absl::TimeFromTimespec(now);
}

int64_t TokenBucket::Available(absl::Time now) {
  absl::MutexLock lock(&mutex_);
  if (refilled_ == absl::InfinitePast()) refilled_ = now;
  const absl::Duration passed = now - refilled_;
  // A long rest fills the bucket; beyond that nothing can overflow.
  if (passed >= absl::Seconds(1)) {
    tokens_ = std::min(burst_, tokens_ + rate_);
    refilled_ = now;
    return std::max<int64_t>(tokens_, 0);
  }
  const int64_t fresh =
      absl::ToInt64Microseconds(passed) * rate_ / int64_t{1000000};
  // Time too short for one byte is kept for the next look.
  if (fresh > 0) {
    tokens_ = std::min(burst_, tokens_ + fresh);
    refilled_ = now;
  }
  return std::max<int64_t>(tokens_, 0);
}

void TokenBucket::Take(int64_t bytes) {
  absl::MutexLock lock(&mutex_);
  tokens_ -= bytes;
}

void TokenBucket::Give(int64_t bytes) {
  absl::MutexLock lock(&mutex_);
  tokens_ = std::min(burst_, tokens_ + bytes);
}

absl::Duration TokenBucket::UntilAvailable(int64_t bytes) const {
  absl::MutexLock lock(&mutex_);
  const int64_t missing = std::min(bytes, burst_) - tokens_;
  if (missing <= 0) return absl::ZeroDuration();
  return absl::Microseconds(missing * int64_t{1000000} / rate_ + 1);
}

}  // namespace innkeeper
