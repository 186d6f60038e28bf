// Which block devices a pool consists of.
#ifndef INNKEEPER_AGENT_LAUNCHER_BLOCK_SOURCE_H_
#define INNKEEPER_AGENT_LAUNCHER_BLOCK_SOURCE_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace innkeeper {

// What a device is known by, for as long as it exists: never its kernel name,
// which may be another device's after the next boot.
struct DeviceSelector {
  enum class Kind : uint8_t {
    kDmUuid,  // Device-mapper's uuid.
    kDmName,  // Its name.
    kWwid,    // The world-wide id of a disk.
    kSerial,  // The serial number of a disk.
    kLoop,    // The path of the file behind a loop device.
  };
  Kind kind = Kind::kDmUuid;
  std::string value;
};

// One of the two.
struct BlockSource {
  // Every active logical volume of this LVM volume group, under its own name.
  std::string volume_group;
  // By the volume's name.
  std::map<std::string, DeviceSelector> volumes;
};

inline constexpr size_t kMaxBlockListBytes = size_t{256} * 1024;
inline constexpr size_t kMaxBlockListVolumes = 1000;

// Whether `name` is [A-Za-z0-9][A-Za-z0-9_.-]{0,62}: what the API can name.
bool IsBlockVolumeName(absl::string_view name);

// "vg:GROUP", or the absolute path of a file for ParseBlockList(), which is
// read. INVALID_ARGUMENT (CONFIG_INVALID): neither, or the list is malformed;
// other errors as ReadFile(). That only root can change the file is for the
// caller to check.
absl::StatusOr<BlockSource> ReadBlockSource(const std::string& text);

// A list has a line "VOLUME KIND=VALUE" for each device, where KIND is dm-uuid,
// dm-name, wwid, serial or loop; "#" begins a comment line. INVALID_ARGUMENT
// (CONFIG_INVALID), naming the line: it is malformed, or names a volume or a
// device for the second time.
absl::StatusOr<BlockSource> ParseBlockList(absl::string_view text);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_BLOCK_SOURCE_H_
