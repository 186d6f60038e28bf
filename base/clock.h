// Injected time, so that no test sleeps.
#ifndef INNKEEPER_BASE_CLOCK_H_
#define INNKEEPER_BASE_CLOCK_H_

#include "absl/time/time.h"

namespace innkeeper {

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  // Wall-clock time.
  virtual absl::Time Now() const = 0;

  // The real one; lives as long as the process.
  static const Clock* Real();
};

}  // namespace innkeeper

#endif  // INNKEEPER_BASE_CLOCK_H_
