#include "agent/launcher/syscall_filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "base/error.h"

namespace innkeeper {
namespace {

#if !defined(__x86_64__)
#error "The list of system calls is that of x86-64."
#endif

// The calls of the x32 ABI have this bit.
constexpr uint32_t kX32Bit = 0x40000000;
constexpr uint32_t kNewNamespaces = CLONE_NEWNS | CLONE_NEWCGROUP |
                                    CLONE_NEWUTS | CLONE_NEWIPC |
                                    CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;

// Programs that find these missing do without: the C library makes threads by
// clone, QEMU waits by epoll.
constexpr uint32_t kMissing[] = {SYS_clone3, SYS_io_uring_setup,
                                 SYS_io_uring_enter, SYS_io_uring_register};

constexpr uint32_t kForbidden[] = {
    // Namespaces, mounts, the root.
    SYS_unshare, SYS_setns, SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot,
    SYS_fsopen, SYS_fsconfig, SYS_fsmount, SYS_fspick, SYS_move_mount,
    SYS_open_tree, SYS_mount_setattr, SYS_sethostname, SYS_setdomainname,
    // Other processes.
    SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev,
    SYS_process_madvise, SYS_process_mrelease, SYS_pidfd_getfd, SYS_kcmp,
    SYS_migrate_pages, SYS_move_pages,
    // Keys are not in a namespace.
    SYS_add_key, SYS_request_key, SYS_keyctl,
    // Much of the kernel, reached by little code.
    SYS_bpf, SYS_perf_event_open, SYS_userfaultfd, SYS_fanotify_init,
    // Devices; files by handles, whatever the root is.
    SYS_mknod, SYS_mknodat, SYS_name_to_handle_at, SYS_open_by_handle_at,
    // The host itself.
    SYS_init_module, SYS_finit_module, SYS_delete_module, SYS_kexec_load,
    SYS_kexec_file_load, SYS_reboot, SYS_syslog, SYS_acct, SYS_swapon,
    SYS_swapoff, SYS_quotactl, SYS_quotactl_fd, SYS_settimeofday,
    SYS_clock_settime, SYS_adjtimex, SYS_clock_adjtime, SYS_vhangup,
    SYS_lookup_dcookie,
    // What x86 still has from other times.
    SYS_iopl, SYS_ioperm, SYS_modify_ldt, SYS_personality, SYS_uselib,
    SYS_ustat, SYS_sysfs, SYS__sysctl, SYS_nfsservctl};

// A program for the kernel, instruction by instruction.
class Program {
 public:
  void Load(size_t offset) {
    Add(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset), 0, 0);
  }
  // Little-endian: what the kernel takes of an int is its lower half.
  void LoadArgument(int argument) {
    Load(offsetof(seccomp_data, args) + sizeof(uint64_t) * argument);
  }
  // Jumps say how many instructions are passed over if so and if not.
  void IfEqual(uint32_t value, uint8_t yes, uint8_t no) {
    Add(BPF_JMP | BPF_JEQ | BPF_K, value, yes, no);
  }
  void IfAnyBit(uint32_t bits, uint8_t yes, uint8_t no) {
    Add(BPF_JMP | BPF_JSET | BPF_K, bits, yes, no);
  }
  void Fail(int error) {
    Return(SECCOMP_RET_ERRNO | static_cast<uint32_t>(error));
  }
  void Return(uint32_t action) { Add(BPF_RET | BPF_K, action, 0, 0); }

  sock_fprog AsFilter() {
    return {static_cast<unsigned short>(instructions_.size()),
            instructions_.data()};
  }

 private:
  void Add(uint16_t code, uint32_t value, uint8_t yes, uint8_t no) {
    instructions_.push_back({code, yes, no, value});
  }

  std::vector<sock_filter> instructions_;
};

void FailCall(Program& program, uint32_t call, int error) {
  program.IfEqual(call, 0, 1);
  program.Fail(error);
}

// Only clone: flags of clone3 lie in memory, where a filter cannot look.
void DenyNewNamespaces(Program& program) {
  program.IfEqual(SYS_clone, 0, 4);
  program.LoadArgument(0);
  program.IfAnyBit(kNewNamespaces, 0, 1);
  program.Fail(EPERM);
  program.Return(SECCOMP_RET_ALLOW);
}

void DenyOtherSockets(Program& program, uint32_t call) {
  program.IfEqual(call, 0, 6);
  program.LoadArgument(0);
  program.IfEqual(AF_UNIX, 3, 0);
  program.IfEqual(AF_INET, 2, 0);
  program.IfEqual(AF_INET6, 1, 0);
  program.Fail(EAFNOSUPPORT);
  program.Return(SECCOMP_RET_ALLOW);
}

void DenyTyping(Program& program) {
  program.IfEqual(SYS_ioctl, 0, 5);
  program.LoadArgument(1);
  program.IfEqual(TIOCSTI, 1, 0);
  program.IfEqual(TIOCLINUX, 0, 1);
  program.Fail(EPERM);
  program.Return(SECCOMP_RET_ALLOW);
}

}  // namespace

absl::Status DenyNeedlessCalls() {
  Program program;
  // Another architecture's numbers mean other calls.
  program.Load(offsetof(seccomp_data, arch));
  program.IfEqual(AUDIT_ARCH_X86_64, 1, 0);
  program.Return(SECCOMP_RET_KILL_PROCESS);
  program.Load(offsetof(seccomp_data, nr));
  program.IfAnyBit(kX32Bit, 0, 1);
  program.Fail(ENOSYS);
  for (const uint32_t call : kMissing) FailCall(program, call, ENOSYS);
  for (const uint32_t call : kForbidden) FailCall(program, call, EPERM);
  DenyNewNamespaces(program);
  DenyOtherSockets(program, SYS_socket);
  DenyOtherSockets(program, SYS_socketpair);
  DenyTyping(program);
  program.Return(SECCOMP_RET_ALLOW);
  sock_fprog filter = program.AsFilter();
  if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) == 0) {
    return absl::OkStatus();
  }
  return ErrnoError(errno, "filter system calls");
}

}  // namespace innkeeper
