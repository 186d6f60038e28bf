#include "agent/host/volume_scanner.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/guest/volume_name.h"
#include "base/log.h"

namespace innkeeper {
namespace {

// A directory with more entries than this is not read to its end.
constexpr int kMaxEntriesRead = 100000;

struct CloseDirectory {
  void operator()(DIR* directory) const { closedir(directory); }
};

}  // namespace

std::vector<std::string> ScanVolumes(
    const std::map<std::string, std::string>& pools) {
  std::vector<std::string> volumes;
  for (const auto& [pool, path] : pools) {
    const std::unique_ptr<DIR, CloseDirectory> directory(opendir(path.c_str()));
    if (directory == nullptr) {
      LogWarning("pool.unreadable", {{"pool", pool}, {"errno", errno}});
      continue;
    }
    for (int i = 0; i < kMaxEntriesRead; ++i) {
      const dirent* entry = readdir(directory.get());
      if (entry == nullptr) break;
      struct stat info;
      if (!IsPoolOrVolumeId(entry->d_name) ||
          fstatat(dirfd(directory.get()), entry->d_name, &info,
                  AT_SYMLINK_NOFOLLOW) != 0 ||
          !S_ISREG(info.st_mode)) {
        continue;
      }
      volumes.push_back(VolumeName{pool, entry->d_name}.ToString());
    }
  }
  return MergeVolumes(std::move(volumes), {});
}

std::vector<std::string> MergeVolumes(std::vector<std::string> volumes,
                                      const std::vector<std::string>& more) {
  volumes.insert(volumes.end(), more.begin(), more.end());
  std::sort(volumes.begin(), volumes.end());
  if (volumes.size() > kMaxListedVolumes) volumes.resize(kMaxListedVolumes);
  return volumes;
}

}  // namespace innkeeper
