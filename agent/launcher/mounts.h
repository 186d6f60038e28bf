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
  // A directory of root's that CheckRootTree() accepted; empty: the usual root.
  std::string tree;
};

// Whether `tree` can be the root of a guest that runs `binary`: it has that, as
// an executable file, and directories to mount /proc and /dev on.
// FAILED_PRECONDITION (CONTEXT_UNAVAILABLE) with what it lacks.
absl::Status CheckRootTree(const std::string& tree, const std::string& binary);

// Replaces the root of the calling process, which must be in a mount namespace
// of its own, by a read-only one with: /usr of the host, /bin /lib /lib64 /sbin
// as links into it, /etc/ld.so.cache, /proc of the process's pid namespace,
// /dev/null, /dev/urandom and, if wanted, /dev/kvm. With `tree` that is the
// root instead, with the same /proc and /dev. Nothing in it can be written but
// the devices, and no user namespace can be made in it.
absl::Status EnterRoot(const RootSpec& spec);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_MOUNTS_H_
