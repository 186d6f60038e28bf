// The system calls that are left to the keeper once it has begun its work.
#ifndef INNKEEPER_AGENT_KEEPER_SYSCALL_FILTER_H_
#define INNKEEPER_AGENT_KEEPER_SYSCALL_FILTER_H_

namespace innkeeper {

// From now on the calling process may read, write, wait, accept, and work with
// files by names in the directory `log_dir`, a descriptor; every other system
// call ends it at once, with SIGSYS, and with it, as pid 1, its whole guest.
// For good: the filter is inherited by children and by exec. No new privileges
// must be set, and there must be one thread. False, with errno, if the kernel
// refuses. For x86-64.
bool EnterSyscallFilter(int log_dir);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_KEEPER_SYSCALL_FILTER_H_
