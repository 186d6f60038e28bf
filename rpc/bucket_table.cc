#include "rpc/bucket_table.h"

#include <algorithm>
#include <memory>

#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace innkeeper {

std::shared_ptr<TokenBucket> BucketTable::Of(absl::string_view key,
                                             absl::Time now) {
  absl::MutexLock lock(&mutex_);
  if (buckets_.size() >= sweep_at_) {
    // A holder besides this table cannot appear while the lock is held.
    absl::erase_if(buckets_, [now](const auto& entry) {
      return entry.second.use_count() == 1 && entry.second->IsFull(now);
    });
    sweep_at_ = std::max(kLeastSweep, 2 * buckets_.size());
  }
  std::shared_ptr<TokenBucket>& bucket = buckets_[key];
  if (bucket == nullptr) bucket = std::make_shared<TokenBucket>();
  return bucket;
}

size_t BucketTable::size() const {
  absl::MutexLock lock(&mutex_);
  return buckets_.size();
}

}  // namespace innkeeper
