#include "rpc/source_limiter.h"

#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"

namespace innkeeper {

SourceLimiter::Slot::~Slot() {
  if (counts_ == nullptr) return;
  absl::MutexLock lock(&counts_->mutex);
  const auto it = counts_->of.find(source_);
  if (it != counts_->of.end() && --it->second == 0) counts_->of.erase(it);
}

SourceLimiter::Slot SourceLimiter::Take(absl::string_view source) {
  absl::MutexLock lock(&counts_->mutex);
  int& count = counts_->of[source];
  if (count >= limit_) {
    if (count == 0) counts_->of.erase(source);
    return Slot();
  }
  ++count;
  return Slot(counts_, source);
}

}  // namespace innkeeper
