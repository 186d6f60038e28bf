// Memory and scratch disks that a launch makes afresh.
#ifndef INNKEEPER_AGENT_LAUNCHER_OVERLAY_H_
#define INNKEEPER_AGENT_LAUNCHER_OVERLAY_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace innkeeper {

// The first bytes of an empty qcow2 (version 3) image of `virtual_bytes`, with
// clusters of 64 KiB and no backing file; the rest of its `file_bytes` is zero.
struct EmptyQcow2 {
  std::string bytes;
  int64_t file_bytes = 0;
};
EmptyQcow2 MakeEmptyQcow2(int64_t virtual_bytes);

// How large the file of such an image gets when every cluster of it is written:
// its data, its tables and a rest.
int64_t MaxOverlayFileBytes(int64_t virtual_bytes);

// An empty qcow2 image in a file of `directory` that has no name and goes when
// its descriptor is closed. Open for reading and writing.
absl::StatusOr<UniqueFd> MakeOverlay(const std::string& directory,
                                     int64_t virtual_bytes);

// A memfd of `bytes`, which nobody can make shorter or longer.
absl::StatusOr<UniqueFd> MakeRam(int64_t bytes);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_OVERLAY_H_
