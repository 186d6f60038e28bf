// What the launcher tells of its pools, as it goes over the wire.
#ifndef INNKEEPER_AGENT_LAUNCHER_VOLUME_LIST_H_
#define INNKEEPER_AGENT_LAUNCHER_VOLUME_LIST_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/launcher/wire.h"

namespace innkeeper {

// More than these an instance may not have.
inline constexpr size_t kMaxPools = 256;

struct PoolInfo {
  std::string name;
  bool block = false;  // Of block devices, not of files.
};

// A volume that the agent could not see by itself: it may not look at nodes of
// block devices.
struct PoolVolume {
  std::string pool;
  std::string name;
  int64_t bytes = 0;
};

// As many volumes as fit; `more` says that asking again, after the key of the
// last one, gives others.
struct VolumesReply {
  std::vector<PoolVolume> volumes;
  bool more = false;
};

// What volumes are ordered by: "pool/name".
std::string VolumeKey(const PoolVolume& volume);

void WritePools(const std::vector<PoolInfo>& pools, WireWriter& out);
std::vector<PoolInfo> ReadPools(WireReader& in);

// Encodes those from `volumes` that fit into one message.
std::string EncodeVolumesReply(const std::vector<PoolVolume>& volumes);
// Input: untrusted. INVALID_ARGUMENT (INVALID_REQUEST) if `body` is not exactly
// one well-formed reply.
absl::StatusOr<VolumesReply> DecodeVolumesReply(absl::string_view body);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_VOLUME_LIST_H_
