#include "agent/launcher/namespaces.h"

#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/error.h"
#include "base/unique_fd.h"

namespace innkeeper {
namespace {

absl::StatusOr<ClonedProcess> Clone(uint64_t flags, int cgroup) {
  int pidfd = -1;
  clone_args args = {};
  args.flags = flags | CLONE_PIDFD;
  args.pidfd = reinterpret_cast<uint64_t>(&pidfd);
  args.exit_signal = SIGCHLD;
  if (cgroup >= 0) {
    args.flags |= CLONE_INTO_CGROUP;
    args.cgroup = static_cast<uint64_t>(cgroup);
  }
  const long pid = syscall(SYS_clone3, &args, sizeof(args));
  if (pid < 0) return ErrnoError(errno, "clone3");
  ClonedProcess process;
  process.pid = static_cast<pid_t>(pid);
  if (pid > 0) process.pidfd.reset(pidfd);
  return process;
}

}  // namespace

absl::StatusOr<ClonedProcess> CloneIntoNamespaces(const NewNamespaces& wanted,
                                                  const UniqueFd& cgroup) {
  uint64_t flags = CLONE_NEWNS | CLONE_NEWPID;
  if (wanted.ipc) flags |= CLONE_NEWIPC;
  if (wanted.uts) flags |= CLONE_NEWUTS;
  if (wanted.time) flags |= CLONE_NEWTIME;
  return Clone(flags, cgroup.get());
}

absl::StatusOr<ClonedProcess> CloneProcess() { return Clone(0, -1); }

absl::Status EnterCgroupNamespace() {
  if (unshare(CLONE_NEWCGROUP) != 0) {
    return ErrnoError(errno, "unshare the cgroup namespace");
  }
  return absl::OkStatus();
}

}  // namespace innkeeper
