// Counts the connections that each source has, of those not yet identified.
#ifndef INNKEEPER_RPC_SOURCE_LIMITER_H_
#define INNKEEPER_RPC_SOURCE_LIMITER_H_

#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"

namespace innkeeper {

// Thread-safe. Slots may outlive it.
class SourceLimiter {
 private:
  struct Counts {
    absl::Mutex mutex;
    absl::flat_hash_map<std::string, int> of ABSL_GUARDED_BY(mutex);
  };

 public:
  // A place that is given back when it is destroyed. A moved-from or
  // default-made one holds none.
  class Slot {
   public:
    Slot() = default;
    Slot(Slot&& other) noexcept
        : counts_(std::move(other.counts_)),
          source_(std::move(other.source_)) {}
    Slot& operator=(Slot&& other) noexcept {
      // What this one held is given back when the parameter dies.
      std::swap(counts_, other.counts_);
      std::swap(source_, other.source_);
      return *this;
    }
    ~Slot();

    bool held() const { return counts_ != nullptr; }

   private:
    friend class SourceLimiter;
    Slot(std::shared_ptr<Counts> counts, absl::string_view source)
        : counts_(std::move(counts)), source_(source) {}

    std::shared_ptr<Counts> counts_;
    std::string source_;
  };

  // At most `limit` slots for each source at a time.
  explicit SourceLimiter(int limit)
      : limit_(limit), counts_(std::make_shared<Counts>()) {}

  // A slot for `source`; one that is not held if it has its fill.
  Slot Take(absl::string_view source);

 private:
  const int limit_;
  const std::shared_ptr<Counts> counts_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_RPC_SOURCE_LIMITER_H_
