// The exact descriptors that a program is started with.
#ifndef INNKEEPER_AGENT_LAUNCHER_FD_TABLE_H_
#define INNKEEPER_AGENT_LAUNCHER_FD_TABLE_H_

#include <vector>

#include "absl/status/status.h"

namespace innkeeper {

struct FdPlace {
  int from = -1;
  int to = -1;  // Below kKeptFd.
};

// Where ArrangeFds() puts the descriptor that is to live until exec.
inline constexpr int kKeptFd = 64;

// Leaves the calling process with exactly: each `from` at its `to`, without
// close-on-exec, and `kept` at kKeptFd, with it. Everything else is closed. A
// `from` may be used twice; the numbers of both sides may overlap.
absl::Status ArrangeFds(const std::vector<FdPlace>& places, int kept);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_FD_TABLE_H_
