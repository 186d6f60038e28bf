// How much a peer may send in a time.
#ifndef INNKEEPER_RPC_TOKEN_BUCKET_H_
#define INNKEEPER_RPC_TOKEN_BUCKET_H_

#include <atomic>
#include <cstdint>

#include "absl/time/time.h"

namespace innkeeper {

// Tokens are bytes. SetUnlimited() and unlimited() are thread-safe; all else
// belongs to the one thread that spends. Starts full.
class TokenBucket {
 public:
  static constexpr int64_t kRate = 256 << 10;  // Bytes a second.
  static constexpr int64_t kBurst = 64 << 10;

  explicit TokenBucket(int64_t rate = kRate, int64_t burst = kBurst)
      : rate_(rate), burst_(burst), tokens_(burst) {}

  void SetUnlimited() { unlimited_.store(true, std::memory_order_relaxed); }
  bool unlimited() const { return unlimited_.load(std::memory_order_relaxed); }

  // How many bytes may be taken at `now` (a steady time, which never goes
  // back); 0 if none.
  int64_t Available(absl::Time now);
  // Takes `bytes`, which were available.
  void Take(int64_t bytes);
  // How long until at least `bytes`, at most the burst, are there.
  absl::Duration UntilAvailable(int64_t bytes) const;

 private:
  const int64_t rate_;
  const int64_t burst_;
  std::atomic<bool> unlimited_{false};
  int64_t tokens_;
  absl::Time refilled_ = absl::InfinitePast();
};

}  // namespace innkeeper

#endif  // INNKEEPER_RPC_TOKEN_BUCKET_H_
