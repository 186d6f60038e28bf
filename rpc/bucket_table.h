// Finds the bucket that connections share.
#ifndef INNKEEPER_RPC_BUCKET_TABLE_H_
#define INNKEEPER_RPC_BUCKET_TABLE_H_

#include <cstddef>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "rpc/token_bucket.h"

namespace innkeeper {

// Thread-safe. A bucket that nobody holds any more is forgotten, but not before
// it is full again: whoever connects anew gains nothing by it.
class BucketTable {
 public:
  // The one bucket of `key`: a source, or a principal.
  std::shared_ptr<TokenBucket> Of(absl::string_view key, absl::Time now)
      ABSL_LOCKS_EXCLUDED(mutex_);
  size_t size() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  static constexpr size_t kLeastSweep = 256;

  mutable absl::Mutex mutex_;
  absl::flat_hash_map<std::string, std::shared_ptr<TokenBucket>> buckets_
      ABSL_GUARDED_BY(mutex_);
  // The size at which it looks for what to forget.
  size_t sweep_at_ ABSL_GUARDED_BY(mutex_) = kLeastSweep;
};

}  // namespace innkeeper

#endif  // INNKEEPER_RPC_BUCKET_TABLE_H_
