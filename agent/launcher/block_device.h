// Which block device bytes end up on.
#ifndef INNKEEPER_AGENT_LAUNCHER_BLOCK_DEVICE_H_
#define INNKEEPER_AGENT_LAUNCHER_BLOCK_DEVICE_H_

#include <sys/types.h>

#include "absl/status/statusor.h"

namespace innkeeper {

// The device that I/O of the open file or block device `fd` can be limited on:
// that of its file system, as a whole and not the partition.
// FAILED_PRECONDITION (CONTEXT_UNAVAILABLE) if there is none, as with tmpfs.
absl::StatusOr<dev_t> BlockDeviceOf(int fd);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_BLOCK_DEVICE_H_
