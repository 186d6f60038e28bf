// The process that becomes pid 1 of a guest.
#ifndef INNKEEPER_AGENT_LAUNCHER_NAMESPACES_H_
#define INNKEEPER_AGENT_LAUNCHER_NAMESPACES_H_

#include <sys/types.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace innkeeper {

struct ClonedProcess {
  pid_t pid = 0;  // 0 in the child.
  UniqueFd pidfd;
};

// Which namespaces a new process gets of its own, beside mount and pid.
struct NewNamespaces {
  bool ipc = true;
  bool uts = true;
  bool time = false;
};

// Forks into new mount and pid namespaces, those of `wanted` and, if `cgroup`
// is valid, that version 2 control group. Only for a process with one thread.
// Network, user and cgroup namespaces are other matters: net_namespaces.h,
// user_namespace.h and below.
absl::StatusOr<ClonedProcess> CloneIntoNamespaces(const NewNamespaces& wanted,
                                                  const UniqueFd& cgroup);

// Forks, with a pidfd.
absl::StatusOr<ClonedProcess> CloneProcess();

// Gives the calling process a cgroup namespace whose root is its present
// groups. Not part of CloneIntoNamespaces: clone3(2) would root it in the
// groups of the parent.
absl::Status EnterCgroupNamespace();

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_NAMESPACES_H_
