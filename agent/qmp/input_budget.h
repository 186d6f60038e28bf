// How many bytes a peer may make us read.
#ifndef INNKEEPER_AGENT_QMP_INPUT_BUDGET_H_
#define INNKEEPER_AGENT_QMP_INPUT_BUDGET_H_

#include <algorithm>
#include <cstdint>

#include "absl/time/time.h"

namespace innkeeper {

// A token bucket: at most `burst` bytes at once and `per_second` in the long
// run. Starts full. Time is whatever steady clock the caller reads. Not
// thread-safe.
class InputBudget {
 public:
  InputBudget(int64_t burst, int64_t per_second, absl::Duration now)
      : burst_(burst),
        per_second_(per_second),
        available_(burst),
        filled_at_(now) {}

  // Bytes that may be read at `now`; 0 or less: none.
  int64_t Available(absl::Duration now) {
    const double earned = absl::ToDoubleSeconds(now - filled_at_) *
                          static_cast<double>(per_second_);
    // Fractions of a byte are kept by leaving the time as it was.
    if (earned >= 1) {
      available_ = earned >= static_cast<double>(burst_ - available_)
                       ? burst_
                       : available_ + static_cast<int64_t>(earned);
      filled_at_ = now;
    }
    return available_;
  }
  void Spend(int64_t bytes) { available_ -= bytes; }

  // How long after the last Available() `bytes` will be there. `bytes` beyond
  // the burst count as the burst.
  absl::Duration TimeUntil(int64_t bytes) const {
    const int64_t missing = std::min(bytes, burst_) - available_;
    if (missing <= 0) return absl::ZeroDuration();
    return absl::Seconds(static_cast<double>(missing) /
                         static_cast<double>(per_second_));
  }

 private:
  const int64_t burst_;
  const int64_t per_second_;
  int64_t available_;
  absl::Duration filled_at_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_QMP_INPUT_BUDGET_H_
