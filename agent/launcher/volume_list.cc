#include "agent/launcher/volume_list.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "agent/launcher/wire.h"
#include "base/error.h"
#include "base/reason.h"

namespace innkeeper {
namespace {

constexpr size_t kMaxNameBytes = 63;
// Each takes at most 142 bytes: well below a message.
constexpr size_t kMaxInReply = 400;

}  // namespace

std::string VolumeKey(const PoolVolume& volume) {
  return absl::StrCat(volume.pool, "/", volume.name);
}

void WritePools(const std::vector<PoolInfo>& pools, WireWriter& out) {
  out.U32(static_cast<uint32_t>(pools.size()));
  for (const PoolInfo& pool : pools) {
    out.String(pool.name);
    out.Bool(pool.block);
  }
}

std::vector<PoolInfo> ReadPools(WireReader& in) {
  std::vector<PoolInfo> pools(in.Count(kMaxPools));
  for (PoolInfo& pool : pools) {
    pool.name = in.String(kMaxNameBytes);
    pool.block = in.Bool();
  }
  return pools;
}

std::string EncodeVolumesReply(const std::vector<PoolVolume>& volumes) {
  const size_t count = std::min(volumes.size(), kMaxInReply);
  WireWriter out;
  out.Bool(count < volumes.size());
  out.U32(static_cast<uint32_t>(count));
  for (size_t i = 0; i < count; ++i) {
    out.String(volumes[i].pool);
    out.String(volumes[i].name);
    out.I64(volumes[i].bytes);
  }
  return out.data();
}

absl::StatusOr<VolumesReply> DecodeVolumesReply(absl::string_view body) {
  WireReader in(body);
  VolumesReply reply;
  reply.more = in.Bool();
  reply.volumes.resize(in.Count(kMaxInReply));
  for (PoolVolume& volume : reply.volumes) {
    volume.pool = in.String(kMaxNameBytes);
    volume.name = in.String(kMaxNameBytes);
    volume.bytes = in.I64();
  }
  if (!in.Done()) {
    return Error(absl::StatusCode::kInvalidArgument, reason::kInvalidRequest,
                 "malformed list of volumes");
  }
  return reply;
}

}  // namespace innkeeper
