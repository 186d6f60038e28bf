// Resource limits of a guest's processes.
#ifndef INNKEEPER_AGENT_LAUNCHER_RLIMITS_H_
#define INNKEEPER_AGENT_LAUNCHER_RLIMITS_H_

#include <sys/resource.h>

#include <cstdint>

#include "absl/status/status.h"

namespace innkeeper {

// Soft and hard limits of every guest's QEMU and keeper: CORE 0 (a core file
// would hold guest memory), NOFILE 1024, MEMLOCK 8 MiB, MSGQUEUE, NICE and
// RTPRIO 0, NPROC `processes`. A limit that is lower already stays: raising one
// may be forbidden even to root.
absl::Status LimitGuest(int64_t processes);

// Bounds each file that the keeper writes, should it be turned against us.
absl::Status LimitKeeper();

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_RLIMITS_H_
