#include "agent/launcher/syscall_filter.h"

#include <errno.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <thread>

#include "base/testing/status_matchers.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

constexpr int kRefused = 255;

// What `act` returns, at most 254, in a process of its own, with the filter or
// without.
int InChild(bool filter, const std::function<int()>& act) {
  const pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (filter && !DenyNeedlessCalls().ok()) _exit(kRefused);
    _exit(act());
  }
  int status = -1;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

struct Call {
  const char* name;
  long number;
  int error;  // With the filter.
  long first = 0;
  long second = 0;
};

int ErrorOf(const Call& call) {
  errno = 0;
  const long result = syscall(call.number, call.first, call.second, 0, 0, 0, 0);
  return result < 0 ? errno : 0;
}

// With these arguments each would succeed, or fail in another way, for
// whoever has no privileges at all.
const Call kDenied[] = {
    {"unshare", SYS_unshare, EPERM, 0},
    {"setns", SYS_setns, EPERM, -1},
    {"process_vm_readv", SYS_process_vm_readv, EPERM, -1},
    {"process_vm_writev", SYS_process_vm_writev, EPERM, -1},
    {"ptrace", SYS_ptrace, EPERM, -1},
    {"pidfd_getfd", SYS_pidfd_getfd, EPERM, -1, -1},
    {"keyctl", SYS_keyctl, EPERM, KEYCTL_GET_KEYRING_ID,
     KEY_SPEC_PROCESS_KEYRING},
    {"add_key", SYS_add_key, EPERM},
    {"fsmount", SYS_fsmount, EPERM, -1},
    {"personality", SYS_personality, EPERM, 0xffffffff},
    {"name_to_handle_at", SYS_name_to_handle_at, EPERM, -1},
    {"modify_ldt", SYS_modify_ldt, EPERM, 99},
    {"clone3", SYS_clone3, ENOSYS},
    {"io_uring_setup", SYS_io_uring_setup, ENOSYS, 1},
    {"io_uring_enter", SYS_io_uring_enter, ENOSYS, -1},
    {"clone into a user namespace", SYS_clone, EPERM, CLONE_NEWUSER | SIGCHLD},
    {"packet socket", SYS_socket, EAFNOSUPPORT, AF_PACKET, SOCK_DGRAM},
    {"netlink socket", SYS_socket, EAFNOSUPPORT, AF_NETLINK, SOCK_RAW},
    {"a pair of another family", SYS_socketpair, EAFNOSUPPORT, AF_NETLINK},
    {"typing into a terminal", SYS_ioctl, EPERM, -1, TIOCSTI},
    {"a call of x32", SYS_getpid | 0x40000000, ENOSYS},
};

TEST(SyscallFilterTest, WhatNoQemuNeedsIsDenied) {
  for (const Call& call : kDenied) {
    EXPECT_EQ(InChild(true, [&] { return ErrorOf(call); }), call.error)
        << call.name;
  }
}

TEST(SyscallFilterTest, WithoutItTheSameCallsSaySomethingElse) {
  // These fail in the same way where the kernel lacks them or forbids them to
  // everybody, which is not the filter's doing.
  int other = 0;
  for (const Call& call : kDenied) {
    if (call.number == SYS_clone) continue;  // It would make a process.
    if (InChild(false, [&] { return ErrorOf(call); }) != call.error) ++other;
  }
  EXPECT_GE(other, 12);
}

TEST(SyscallFilterTest, ProcessesThreadsAndUsualSocketsGoOn) {
  EXPECT_EQ(InChild(true,
                    [] {
                      int seen = 0;
                      std::thread([&] { seen = 1; }).join();
                      return seen;
                    }),
            1);
  EXPECT_EQ(InChild(true,
                    [] {
                      const pid_t child = fork();
                      if (child == 0) _exit(7);
                      int status = 0;
                      waitpid(child, &status, 0);
                      return WEXITSTATUS(status);
                    }),
            7);
  for (const int family : {AF_UNIX, AF_INET, AF_INET6}) {
    EXPECT_EQ(
        InChild(true,
                [&] { return socket(family, SOCK_STREAM, 0) < 0 ? errno : 0; }),
        0)
        << family;
  }
  int pipe_bytes = 0;
  EXPECT_EQ(InChild(true,
                    [&] {
                      int ends[2];
                      if (pipe(ends) != 0) return 1;
                      return ioctl(ends[0], FIONREAD, &pipe_bytes) == 0 ? 0 : 2;
                    }),
            0);
}

TEST(SyscallFilterTest, CallsOfAnotherArchitectureEndTheProcess) {
  EXPECT_EQ(InChild(true,
                    [] {
                      // 32-bit getpid.
                      int result = 20;
                      asm volatile("int $0x80" : "+a"(result) : : "memory");
                      return 1;
                    }),
            -SIGSYS);
}

TEST(SyscallFilterTest, ItStaysOnExec) {
  EXPECT_EQ(InChild(true,
                    [] {
                      execl("/usr/bin/unshare", "unshare", "--mount", "true",
                            nullptr);
                      return 200;
                    }),
            1);
}

}  // namespace
}  // namespace innkeeper
