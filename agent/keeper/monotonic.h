// Time that only goes forward.
#ifndef INNKEEPER_AGENT_KEEPER_MONOTONIC_H_
#define INNKEEPER_AGENT_KEEPER_MONOTONIC_H_

#include <stdint.h>
#include <time.h>

namespace innkeeper {

inline int64_t MonotonicMillis() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1000000;
}

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_KEEPER_MONOTONIC_H_
