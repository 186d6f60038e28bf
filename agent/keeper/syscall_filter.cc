#include "agent/keeper/syscall_filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace innkeeper {
namespace {

#if !defined(__x86_64__)
#error "The keeper's list of system calls is that of x86-64."
#endif

constexpr int kNoArgument = -1;

struct AllowedCall {
  uint32_t number;
  // The arguments that must be the log directory, or kNoArgument.
  int first_directory = kNoArgument;
  int second_directory = kNoArgument;
};

constexpr AllowedCall kAllowed[] = {
    // Every round, and what a byte of the console costs.
    {SYS_poll},
    {SYS_read},
    {SYS_write},
    {SYS_sendto},
    {SYS_accept4},
    {SYS_close},
    {SYS_wait4},
    // Where there is no vDSO.
    {SYS_clock_gettime},
    // poll, after the process was stopped and went on.
    {SYS_restart_syscall},
    // Logs and the exit record. The first is how the C library asks for the
    // size of an open file.
    {SYS_newfstatat},
    {SYS_fstat},
    {SYS_openat, 0},
    {SYS_renameat, 0, 2},
    {SYS_unlinkat, 0},
    {SYS_exit_group},
};

constexpr int kMaxInstructions =
    16 + 8 * sizeof(kAllowed) / sizeof(AllowedCall);

// A program for the kernel, instruction by instruction. A jump says how many
// instructions it passes over if it is equal and if it is not.
class Program {
 public:
  void Load(size_t offset) {
    Add(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset), 0, 0);
  }
  void JumpIfEqual(uint32_t value, uint8_t equal, uint8_t different) {
    Add(BPF_JMP | BPF_JEQ | BPF_K, value, equal, different);
  }
  void Return(uint32_t action) { Add(BPF_RET | BPF_K, action, 0, 0); }

  sock_fprog AsFilter() {
    return {static_cast<unsigned short>(size_), instructions_};
  }

 private:
  void Add(uint16_t code, uint32_t value, uint8_t equal, uint8_t different) {
    instructions_[size_++] = {code, equal, different, value};
  }

  sock_filter instructions_[kMaxInstructions];
  int size_ = 0;
};

// Little-endian: an int is the lower half of the register that it came in, and
// the kernel looks at no more of it.
size_t ArgumentOffset(int argument) {
  return offsetof(seccomp_data, args) + sizeof(uint64_t) * argument;
}

void RequireDirectory(Program& program, int argument, int log_dir) {
  if (argument == kNoArgument) return;
  program.Load(ArgumentOffset(argument));
  program.JumpIfEqual(static_cast<uint32_t>(log_dir), 1, 0);
  program.Return(SECCOMP_RET_KILL_PROCESS);
}

void Allow(Program& program, const AllowedCall& call, int log_dir) {
  const int checks = (call.first_directory != kNoArgument ? 1 : 0) +
                     (call.second_directory != kNoArgument ? 1 : 0);
  program.JumpIfEqual(call.number, 0, static_cast<uint8_t>(3 * checks + 1));
  RequireDirectory(program, call.first_directory, log_dir);
  RequireDirectory(program, call.second_directory, log_dir);
  program.Return(SECCOMP_RET_ALLOW);
}

}  // namespace

bool EnterSyscallFilter(int log_dir) {
  Program program;
  // Another architecture's numbers mean other calls.
  program.Load(offsetof(seccomp_data, arch));
  program.JumpIfEqual(AUDIT_ARCH_X86_64, 1, 0);
  program.Return(SECCOMP_RET_KILL_PROCESS);
  // The numbers of the x32 calls are in none of the comparisons.
  program.Load(offsetof(seccomp_data, nr));
  for (const AllowedCall& call : kAllowed) Allow(program, call, log_dir);
  program.Return(SECCOMP_RET_KILL_PROCESS);
  sock_fprog filter = program.AsFilter();
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) == 0;
}

}  // namespace innkeeper
