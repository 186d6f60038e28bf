// One disk of a guest, with all that lies beneath it.
#ifndef INNKEEPER_AGENT_GUEST_DISK_SPEC_H_
#define INNKEEPER_AGENT_GUEST_DISK_SPEC_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "agent/guest/volume_name.h"
#include "base/error.h"

namespace innkeeper {

// The values are stored on disk: never renumbered.
enum class DiskFormat : uint8_t { kRaw = 1, kQcow2 = 2 };
enum class DiskMode : uint8_t {
  kReadOnly = 1,
  kReadWrite = 2,
  // Writes go to an overlay that is gone when the guest stops.
  kEphemeral = 3,
};
enum class DiskDevice : uint8_t {
  kDisk = 1,   // virtio-blk.
  kCdrom = 2,  // A drive of the chipset's AHCI, with the volume in it.
};

// A volume beneath another one, always read-only.
struct LayerSpec {
  VolumeName volume;
  DiskFormat format = DiskFormat::kRaw;

  friend bool operator==(const LayerSpec& a, const LayerSpec& b) {
    return a.volume == b.volume && a.format == b.format;
  }
};

// A value. Only one in which FindDiskFaults finds nothing may be used.
struct DiskSpec {
  VolumeName volume;
  // Fixed here and never probed: a raw disk stays raw whatever it contains.
  DiskFormat format = DiskFormat::kRaw;
  DiskMode mode = DiskMode::kReadWrite;
  // What the guest reads as the disk's serial number. Empty: none.
  std::string serial;
  // What lies beneath the volume, the next one first: all of it. What an
  // image's header says of files is compared with this and opens none.
  std::vector<LayerSpec> backing = {};
  DiskDevice device = DiskDevice::kDisk;

  friend bool operator==(const DiskSpec& a, const DiskSpec& b) {
    return a.volume == b.volume && a.format == b.format && a.mode == b.mode &&
           a.serial == b.serial && a.backing == b.backing &&
           a.device == b.device;
  }
};

inline constexpr size_t kMaxDisks = 8;
inline constexpr size_t kMaxLayers = 8;
// The volumes of all disks and of all that lies beneath them.
inline constexpr size_t kMaxDiskVolumes = 24;
// The ports of the AHCI.
inline constexpr size_t kMaxCdroms = 6;

// Every fault of `disks` of one guest, each field as a path: "disks[1].volume",
// "disks[0].backing[2].format". `q35`: the guest's machine is one.
std::vector<FieldViolation> FindDiskFaults(const std::vector<DiskSpec>& disks,
                                           bool q35);

// "raw", "read_only", "cdrom": the words of messages and logs.
absl::string_view ToString(DiskFormat format);
absl::string_view ToString(DiskMode mode);
absl::string_view ToString(DiskDevice device);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_GUEST_DISK_SPEC_H_
