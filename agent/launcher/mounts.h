// The file system that a guest's processes see.
#ifndef INNKEEPER_AGENT_LAUNCHER_MOUNTS_H_
#define INNKEEPER_AGENT_LAUNCHER_MOUNTS_H_

#include <string>

#include "absl/status/status.h"

namespace innkeeper {

struct RootSpec {
  // An empty directory of root's, where the new root is mounted first. Only
  // the calling process's mount namespace ever sees anything in it.
  std::string mount_point;
  // QEMU. Bound into the root if it is not under /usr.
  std::string binary;
  bool kvm = false;
};

// Replaces the root of the calling process, which must be in a mount namespace
// of its own, by a read-only one with: /usr of the host, /bin /lib /lib64 /sbin
// as links into it, /etc/ld.so.cache, /proc of the process's pid namespace,
// /dev/null, /dev/urandom and, if wanted, /dev/kvm. Nothing in it can be
// written but the devices, and no user namespace can be made in it.
absl::Status EnterRoot(const RootSpec& spec);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_MOUNTS_H_
