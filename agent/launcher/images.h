// Volumes of the pools, opened so that no name leads out of them.
#ifndef INNKEEPER_AGENT_LAUNCHER_IMAGES_H_
#define INNKEEPER_AGENT_LAUNCHER_IMAGES_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/launcher/block_pool.h"
#include "agent/launcher/image_use.h"
#include "agent/launcher/volume_list.h"
#include "base/unique_fd.h"

namespace innkeeper {

// Not thread-safe. Reads no byte of any image.
class ImagePools {
 public:
  // Opens each directory of `pools` (name to path) once: what is beneath it is
  // found from there, whatever becomes of its path. No name is in both maps.
  static absl::StatusOr<ImagePools> Open(
      const std::map<std::string, std::string>& pools,
      std::map<std::string, BlockPool> block_pools = {});

  // A fresh open file description, made for one process: locks belong to the
  // description. Of a block pool: as BlockPool::Open(). Of a directory: a
  // regular file, whose `name` is as IsImageName() says; it is resolved without
  // symbolic links and never leaves the pool.
  // INVALID_ARGUMENT (INVALID_REQUEST): the name. NOT_FOUND (POOL_NOT_FOUND,
  // VOLUME_NOT_FOUND). INVALID_ARGUMENT (IMAGE_UNSUPPORTED): a link on the way,
  // not a regular file, or a file with a second name, which its pool's owner
  // may never have put there.
  absl::StatusOr<UniqueFd> OpenImage(absl::string_view pool,
                                     absl::string_view name,
                                     ImageUse use) const;

  // Whether `pool` is one of block devices, which no write makes larger.
  bool IsBlockPool(absl::string_view pool) const;

  // Every pool, sorted by name.
  std::vector<PoolInfo> pools() const;

  // The volumes of the block pools that come after `after` (VolumeKey()), in
  // the order of their keys.
  std::vector<PoolVolume> BlockVolumes(absl::string_view after) const;

 private:
  std::map<std::string, UniqueFd> directories_;
  std::map<std::string, BlockPool> block_pools_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_IMAGES_H_
