#include "rpc/pace.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace innkeeper {

std::shared_ptr<TokenBucket> Pace::bucket() const {
  absl::MutexLock lock(&mutex_);
  return bucket_;
}

void Pace::Share(std::shared_ptr<TokenBucket> bucket) {
  absl::MutexLock lock(&mutex_);
  std::swap(bucket_, bucket);
}

void Pace::OnCall() {
  if (!unlimited()) bucket()->Give(kCallBytes);
}

int64_t Pace::Available(absl::Time now) {
  if (unlimited()) return std::numeric_limits<int64_t>::max();
  return own_ + bucket()->Available(now);
}

void Pace::Take(int64_t bytes) {
  if (unlimited()) return;
  const int64_t own = std::min(own_, bytes);
  own_ -= own;
  if (bytes > own) bucket()->Take(bytes - own);
}

absl::Duration Pace::UntilAvailable(int64_t bytes) const {
  if (unlimited() || own_ >= bytes) return absl::ZeroDuration();
  return bucket()->UntilAvailable(bytes - own_);
}

}  // namespace innkeeper
