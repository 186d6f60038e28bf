// Which volumes the pools of this host have.
#ifndef INNKEEPER_AGENT_HOST_VOLUME_SCANNER_H_
#define INNKEEPER_AGENT_HOST_VOLUME_SCANNER_H_

#include <cstddef>
#include <map>
#include <string>
#include <vector>

namespace innkeeper {

inline constexpr size_t kMaxListedVolumes = 1000;

// The names of the regular files in each pool (name to directory), as
// "pools/{pool}/volumes/{volume}", sorted; at most kMaxListedVolumes of them.
// Files whose names cannot be volumes are left out, and so is a pool whose
// directory cannot be read. Blocks on the disk.
std::vector<std::string> ScanVolumes(
    const std::map<std::string, std::string>& pools);

// Both, sorted; at most kMaxListedVolumes of them.
std::vector<std::string> MergeVolumes(std::vector<std::string> volumes,
                                      const std::vector<std::string>& more);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_HOST_VOLUME_SCANNER_H_
