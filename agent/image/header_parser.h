// Reads what an image says of itself. Input: untrusted.
//
// The format is the spec's word and never probed: bytes that look like another
// format change nothing. Nothing that a header names is ever opened: what lies
// beneath an image is the spec's word too, and a header that says otherwise is
// refused.
#ifndef INNKEEPER_AGENT_IMAGE_HEADER_PARSER_H_
#define INNKEEPER_AGENT_IMAGE_HEADER_PARSER_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/guest/disk_spec.h"

namespace innkeeper {

// What is needed of an image to use it.
struct ImageInfo {
  DiskFormat format = DiskFormat::kRaw;
  // The disk's size as the guest sees it.
  int64_t virtual_bytes = 0;
  // What the file takes now, holes included.
  int64_t file_bytes = 0;
  // Whether it is a block device, not a file.
  bool block_device = false;
  // Of qcow2 alone: 2 or 3, the exponent of the cluster size, and what a
  // cluster has in the tables.
  int32_t version = 0;
  int32_t cluster_bits = 0;
  int32_t l2_entry_bytes = 0;
  int32_t refcount_bits = 0;
};

inline constexpr int64_t kMaxVirtualBytes = int64_t{16} << 40;

// Reads the image in `fd`, a regular file or block device open for reading, as
// `format`; at most 64 KiB of it, from the start, by pread(2). Blocks on the
// disk. `beneath` is what the spec has under it; null: nothing. `name` is for
// messages: "pools/p/volumes/v".
//
// FAILED_PRECONDITION (IMAGE_UNSUPPORTED), with the reason and the way out: not
// a qcow2 image though `format` says so; it names a backing file and `beneath`
// is null, or the other way round; that name is more than a plain path (a
// protocol, json:), or its last element is not `beneath`'s volume, or a backing
// format that it names is not `beneath`'s; it has an external data file,
// encryption, a feature that is not known, or is marked corrupt; its sizes are
// absurd or its tables lie outside of the file; a raw image that is empty or no
// multiple of 512 bytes, or has anything beneath it. UNAVAILABLE
// (SYSTEM_ERROR): it cannot be read.
absl::StatusOr<ImageInfo> ReadImageInfo(int fd, DiskFormat format,
                                        const LayerSpec* beneath,
                                        absl::string_view name);

// The same for the first bytes of a qcow2 file that is `file_bytes` long.
absl::StatusOr<ImageInfo> ParseQcow2Header(absl::string_view bytes,
                                           int64_t file_bytes,
                                           const LayerSpec* beneath,
                                           absl::string_view name);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_IMAGE_HEADER_PARSER_H_
