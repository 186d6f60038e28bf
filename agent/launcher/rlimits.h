// Resource limits of a guest's processes.
#ifndef INNKEEPER_AGENT_LAUNCHER_RLIMITS_H_
#define INNKEEPER_AGENT_LAUNCHER_RLIMITS_H_

#include <sys/resource.h>

#include <cstdint>

#include "absl/status/status.h"

namespace innkeeper {

// How much sooner than the host's own processes a guest is killed when the host
// runs out of memory: as if it used half of the host's memory more. So a guest
// goes first, and of several guests still the largest.
inline constexpr int kGuestOomScore = 500;

// No core file and no core passed to a program, by which what was in memory
// would get out.
absl::Status ForbidCores();

// Soft and hard limits of every guest's QEMU and keeper: no cores, NOFILE 1024,
// MEMLOCK 8 MiB, MSGQUEUE, NICE and RTPRIO 0, NPROC `processes`. A limit that
// is lower already stays: raising one may be forbidden even to root. Also
// raises the oom score to kGuestOomScore; where the launcher has
// CAP_SYS_RESOURCE the guest cannot lower it again.
absl::Status LimitGuest(int64_t processes);

// Bounds each file that QEMU writes, so that a broken-out one cannot fill the
// host's disk through its images. A write beyond fails with EFBIG, for which
// the signal that would end QEMU is ignored, also after exec.
absl::Status LimitQemu(int64_t file_bytes);

// Bounds each file that the keeper writes, should it be turned against us.
absl::Status LimitKeeper();

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_RLIMITS_H_
