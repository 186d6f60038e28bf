// Images that are made to lead their reader elsewhere, or to break it.
// Testonly.
#ifndef INNKEEPER_AGENT_IMAGE_TESTING_HOSTILE_IMAGES_H_
#define INNKEEPER_AGENT_IMAGE_TESTING_HOSTILE_IMAGES_H_

#include <string>
#include <vector>

#include "agent/guest/disk_spec.h"

namespace innkeeper {

// What the images try to reach.
struct HostileTargets {
  std::string file;    // An absolute path.
  std::string socket;  // A unix socket's path.
  int port = 0;        // Of 127.0.0.1.
};

struct HostileImage {
  // Tells what it tries; a valid volume's name, unlike any other image's.
  std::string name;
  // How a launch declares it.
  DiskFormat format = DiskFormat::kQcow2;
  std::vector<LayerSpec> backing;
  std::string bytes;
  // Its header is reason enough to refuse it. Others are the bytes of a raw
  // disk, or hostile where only QEMU looks.
  bool refused = true;
};

// The volume that those with `backing` declare: pools/main/volumes/base.raw.
inline constexpr char kHostileBase[] = "base.raw";

// More than 200, the same for the same targets.
std::vector<HostileImage> MakeHostileImages(const HostileTargets& targets);

// A good qcow2 image of 1 MiB with clusters of 4 KiB: 16 KiB.
std::string MakeGoodQcow2();
// The same whose header names `file`, as of `format` unless that is empty.
// `version`: 2 or 3.
std::string MakeQcow2Over(const std::string& file, const std::string& format,
                          int version);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_IMAGE_TESTING_HOSTILE_IMAGES_H_
