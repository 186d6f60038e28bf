// Block devices as volumes, found by what the kernel says of them.
//
// A name in /dev is nothing to go by: it may be a link, or be another device's
// by now. What is asked is sysfs; the node is opened beneath /dev without links
// and counts only if it is the very device that sysfs meant, also after it was
// opened. Nodes are never made, chowned or relabelled: root may open them all.
#ifndef INNKEEPER_AGENT_LAUNCHER_BLOCK_POOL_H_
#define INNKEEPER_AGENT_LAUNCHER_BLOCK_POOL_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/launcher/block_source.h"
#include "agent/launcher/image_use.h"
#include "base/unique_fd.h"

namespace innkeeper {

struct BlockVolume {
  std::string name;
  int64_t bytes = 0;
  std::string device;  // The kernel's name for it now: "dm-3".
  std::string number;  // "254:3"
};

// Not thread-safe. Reads no byte of any device.
class BlockPool {
 public:
  // More block devices than this are not looked at.
  static constexpr int kMaxDevices = 4096;

  // `sys_dir` is /sys and `dev_dir` is /dev, but for tests.
  BlockPool(BlockSource source, std::string sys_dir, std::string dev_dir)
      : source_(std::move(source)),
        sys_dir_(std::move(sys_dir)),
        dev_dir_(std::move(dev_dir)) {}

  // The volumes that there are now, sorted by name. One that two devices
  // answer to is left out.
  std::vector<BlockVolume> List() const;

  // A fresh open file description of the device. For kWrite it is the kernel's
  // exclusive claim, which lasts until its last copy is closed: nothing else
  // that claims the device (a mount, a volume on top of it, another kWrite) can
  // have it meanwhile, by whatever node. `pool` is for messages.
  // NOT_FOUND (VOLUME_NOT_FOUND): no such volume, or it has no node.
  // FAILED_PRECONDITION (IMAGE_IN_USE): it is claimed already; kInspect does
  // not ask. INVALID_ARGUMENT (IMAGE_UNSUPPORTED): two devices answer to the
  // name, or the node is a link, no block device or another one's.
  absl::StatusOr<UniqueFd> Open(absl::string_view pool, absl::string_view name,
                                ImageUse use) const;

 private:
  // Every volume that the devices of now answer to, sorted by name.
  std::vector<BlockVolume> Scan() const;
  // The volumes that the device behind `directory` of sysfs answers to.
  std::vector<std::string> NamesOf(const std::string& directory) const;

  BlockSource source_;
  std::string sys_dir_;
  std::string dev_dir_;
};

// The logical volume of `group` that a device-mapper device is; "" if it is
// none, or an inner part of one.
std::string LogicalVolumeName(absl::string_view dm_uuid,
                              absl::string_view dm_name,
                              absl::string_view group);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_BLOCK_POOL_H_
