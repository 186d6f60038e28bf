// Processes of the host, of other guests, and the keeper.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <initializer_list>

#include "tests/malicious_qemu/attempt.h"

namespace {

bool Traces(int pid) {
  // The first of these, where it works, does not stop the other process.
  return ptrace(PTRACE_SEIZE, pid, nullptr, nullptr) == 0 ||
         ptrace(PTRACE_ATTACH, pid, nullptr, nullptr) == 0;
}
bool TracesKeeper(const Target&) { return Traces(1); }
bool TracesOtherGuest(const Target& target) {
  return Traces(target.other_guest);
}
bool TracesItself(const Target&) {
  // The first step to a child that goes on in its place.
  return ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) == 0;
}
bool KillsKeeper(const Target&) { return kill(1, SIGKILL) == 0; }
bool StopsKeeper(const Target&) { return kill(1, SIGSTOP) == 0; }
bool KillsByHostPids(const Target& target) {
  return kill(target.launcher, SIGKILL) == 0 ||
         kill(target.other_guest, SIGKILL) == 0 ||
         kill(target.own_keeper, SIGKILL) == 0;
}
// The kernel looks for it in the caller's pid namespace.
bool OpensProcesses(const Target& target) {
  for (const int pid : {target.launcher, target.other_guest}) {
    if (syscall(SYS_pidfd_open, pid, 0) >= 0) return true;
  }
  return false;
}
bool TakesKeepersDescriptors(const Target&) {
  const long pidfd = syscall(SYS_pidfd_open, 1, 0);
  if (pidfd < 0) return false;
  return syscall(SYS_pidfd_getfd, pidfd, 3, 0) >= 0;
}
bool SignalsKeeperByDescriptor(const Target&) {
  const long pidfd = syscall(SYS_pidfd_open, 1, 0);
  if (pidfd < 0) return false;
  return syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, nullptr, 0) == 0;
}
bool MovesMemory(int pid, long call) {
  char byte = 0;
  iovec local = {&byte, 1};
  iovec remote = {&byte, 1};
  return syscall(call, pid, &local, 1, &remote, 1, 0) >= 0 || errno == EFAULT;
}
bool WritesKeepersMemory(const Target&) {
  return MovesMemory(1, SYS_process_vm_writev);
}
bool ReadsKeepersMemory(const Target&) {
  return MovesMemory(1, SYS_process_vm_readv);
}
bool ReadsOwnMemoryThatWay(const Target&) {
  // Worth nothing, but then it would work on others of the same uid.
  return MovesMemory(getpid(), SYS_process_vm_readv);
}
bool OpensKeepersMemory(const Target&) {
  return open("/proc/1/mem", O_RDWR) >= 0 || open("/proc/1/environ", 0) >= 0;
}
bool OpensProcByHostPids(const Target& target) {
  for (const int pid :
       {target.launcher, target.other_guest, target.own_keeper}) {
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/status", pid);
    if (open(path, O_RDONLY) >= 0) return true;
  }
  return false;
}
bool ComparesWithKeeper(const Target&) {
  return syscall(SYS_kcmp, 1, getpid(), 0, 0, 0) >= 0;
}

}  // namespace

const Attempt kProcessAttempts[] = {
    {"process.trace_keeper", &TracesKeeper},
    {"process.trace_other_guest", &TracesOtherGuest},
    {"process.trace_itself", &TracesItself},
    {"process.kill_keeper", &KillsKeeper},
    {"process.stop_keeper", &StopsKeeper},
    {"process.kill_by_host_pids", &KillsByHostPids},
    {"process.open_by_host_pids", &OpensProcesses},
    {"process.take_keepers_descriptors", &TakesKeepersDescriptors},
    {"process.signal_keeper", &SignalsKeeperByDescriptor},
    {"process.write_keepers_memory", &WritesKeepersMemory},
    {"process.read_keepers_memory", &ReadsKeepersMemory},
    {"process.read_own_memory", &ReadsOwnMemoryThatWay},
    {"process.open_keepers_memory", &OpensKeepersMemory},
    {"process.see_by_host_pids", &OpensProcByHostPids},
    {"process.compare_with_keeper", &ComparesWithKeeper},
    {nullptr, nullptr}};
