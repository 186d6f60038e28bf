#include "agent/launcher/images.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "agent/launch/launch_plan.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/unique_fd.h"

namespace innkeeper {
namespace {

absl::Status Unsupported(absl::string_view pool, absl::string_view name,
                         absl::string_view why) {
  return Error(absl::StatusCode::kInvalidArgument, reason::kImageUnsupported,
               absl::StrCat("volume '", name, "' of pool '", pool, "' ", why))
      .With("pool", pool)
      .With("volume", name);
}

absl::Status OpenFault(int error, absl::string_view pool,
                       absl::string_view name) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return Error(absl::StatusCode::kNotFound, reason::kVolumeNotFound,
                   absl::StrCat("pool '", pool, "' has no volume '", name, "'"))
          .With("pool", pool)
          .With("volume", name);
    case ELOOP:
    case EXDEV:
      return Unsupported(pool, name,
                         "is behind a symbolic link, which pools do not "
                         "follow; name the file itself");
    default:
      return ErrnoError(
          error, absl::StrCat("open volume '", name, "' of pool '", pool, "'"));
  }
}

}  // namespace

absl::StatusOr<ImagePools> ImagePools::Open(
    const std::map<std::string, std::string>& pools,
    std::map<std::string, BlockPool> block_pools) {
  ImagePools opened;
  opened.block_pools_ = std::move(block_pools);
  for (const auto& [name, path] : pools) {
    UniqueFd fd(open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!fd.valid()) {
      return ErrnoError(errno,
                        absl::StrCat("open pool '", name, "' at ", path));
    }
    opened.directories_[name] = std::move(fd);
  }
  return opened;
}

absl::StatusOr<UniqueFd> ImagePools::OpenImage(absl::string_view pool,
                                               absl::string_view name,
                                               ImageUse use) const {
  if (!IsImageName(name)) {
    return Error(absl::StatusCode::kInvalidArgument, reason::kInvalidRequest,
                 "a volume's name is a relative path without '.' and '..', of "
                 "at most 255 bytes");
  }
  const auto blocks = block_pools_.find(std::string(pool));
  if (blocks != block_pools_.end()) return blocks->second.Open(pool, name, use);
  const auto directory = directories_.find(std::string(pool));
  if (directory == directories_.end()) {
    return Error(absl::StatusCode::kNotFound, reason::kPoolNotFound,
                 absl::StrCat("pool '", pool, "' is not configured"))
        .With("pool", pool);
  }
  open_how how = {};
  how.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  const UniqueFd found(
      static_cast<int>(syscall(SYS_openat2, directory->second.get(),
                               std::string(name).c_str(), &how, sizeof(how))));
  if (!found.valid()) return OpenFault(errno, pool, name);
  // Looked at before it is opened: opening a device or a pipe does things.
  struct stat info;
  if (fstat(found.get(), &info) != 0) return OpenFault(errno, pool, name);
  if (S_ISLNK(info.st_mode)) return OpenFault(ELOOP, pool, name);
  if (!S_ISREG(info.st_mode)) {
    return Unsupported(pool, name, "is not a regular file");
  }
  if (info.st_nlink != 1) {
    return Unsupported(pool, name,
                       "has a second name (a hard link), so that it may belong "
                       "elsewhere; copy it");
  }
  // The same inode, through the descriptor: there is no second look-up.
  // Without waiting: the file's owner may hold a lease on it for a minute.
  UniqueFd fd(open(absl::StrCat("/proc/self/fd/", found.get()).c_str(),
                   (use == ImageUse::kWrite ? O_RDWR : O_RDONLY) | O_CLOEXEC |
                       O_NOCTTY | O_NONBLOCK));
  if (!fd.valid()) return OpenFault(errno, pool, name);
  if (fcntl(fd.get(), F_SETFL, 0) != 0) return OpenFault(errno, pool, name);
  return fd;
}

bool ImagePools::IsBlockPool(absl::string_view pool) const {
  return block_pools_.count(std::string(pool)) != 0;
}

std::vector<PoolInfo> ImagePools::pools() const {
  std::map<std::string, bool> block;
  for (const auto& [name, unused] : directories_) block[name] = false;
  for (const auto& [name, unused] : block_pools_) block[name] = true;
  std::vector<PoolInfo> pools;
  for (const auto& [name, is_block] : block) pools.push_back({name, is_block});
  return pools;
}

std::vector<PoolVolume> ImagePools::BlockVolumes(
    absl::string_view after) const {
  std::vector<PoolVolume> volumes;
  for (const auto& [pool, blocks] : block_pools_) {
    for (const BlockVolume& volume : blocks.List()) {
      PoolVolume one = {pool, volume.name, volume.bytes};
      if (VolumeKey(one) > after) volumes.push_back(std::move(one));
    }
  }
  std::sort(volumes.begin(), volumes.end(),
            [](const PoolVolume& a, const PoolVolume& b) {
              return VolumeKey(a) < VolumeKey(b);
            });
  return volumes;
}

}  // namespace innkeeper
