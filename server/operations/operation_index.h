// The operations that the server knows, in memory.
#ifndef INNKEEPER_SERVER_OPERATIONS_OPERATION_INDEX_H_
#define INNKEEPER_SERVER_OPERATIONS_OPERATION_INDEX_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "server/operations/cluster_operation.h"

namespace innkeeper {

// Thread-safe; never blocks. What it gives out never changes.
class OperationIndex {
 public:
  using Entry = std::shared_ptr<const ClusterOperation>;

  // Takes `operation` unless it has a newer state of it.
  void Put(ClusterOperation operation) ABSL_LOCKS_EXCLUDED(mutex_);
  // Drops the operation unless it has a state newer than `revision`.
  void Erase(absl::string_view name, int64_t revision)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Shows `step` until a newer state is put; not for what is done or unknown.
  void ShowStep(absl::string_view name, absl::string_view step)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Null if unknown.
  Entry Find(absl::string_view name) const ABSL_LOCKS_EXCLUDED(mutex_);
  // The newest that is about the guest of that id; null if none is known.
  Entry FindLast(absl::string_view guest) const ABSL_LOCKS_EXCLUDED(mutex_);
  // All, the newest first; of one instant by name.
  std::vector<Entry> All() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  // Microseconds before the epoch, so that the newest sorts first; name.
  using Position = std::pair<int64_t, std::string>;

  // A leaf lock: nothing is called while it is held.
  mutable absl::Mutex mutex_;
  absl::flat_hash_map<std::string, Entry> by_name_ ABSL_GUARDED_BY(mutex_);
  std::map<Position, Entry> by_age_ ABSL_GUARDED_BY(mutex_);
  // By guest id: the position of the newest about it.
  absl::flat_hash_map<std::string, Position> last_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace innkeeper

#endif  // INNKEEPER_SERVER_OPERATIONS_OPERATION_INDEX_H_
