// The system calls that no QEMU needs.
#ifndef INNKEEPER_AGENT_LAUNCHER_SYSCALL_FILTER_H_
#define INNKEEPER_AGENT_LAUNCHER_SYSCALL_FILTER_H_

#include "absl/status/status.h"

namespace innkeeper {

// From now on these fail in the calling process, in its children and in what
// they execute, for good: to make or enter a namespace, to change mounts, the
// root or the host's name; to trace another process or to touch its memory or
// descriptors; keyrings, BPF, perf, userfaultfd, io_uring; devices and handles
// of files; kernel modules, clocks, swap, accounting, quotas; execution
// domains; sockets other than those of unix, IPv4 and IPv6; to type into a
// terminal. Most say EPERM; what programs try out and do without says ENOSYS.
// Calls of another architecture than x86-64 end the process.
//
// QEMU's own filter (-sandbox) is set up by QEMU, so that one that is not what
// it seems does without; and it leaves the calls above to it. The two add up.
//
// Needs no_new_privs or CAP_SYS_ADMIN; an error of the system without.
absl::Status DenyNeedlessCalls();

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_SYSCALL_FILTER_H_
