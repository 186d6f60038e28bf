#include "agent/keeper/syscall_filter.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/unique_fd.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

constexpr int kRefused = 3;

class SyscallFilterTest : public testing::Test {
 protected:
  SyscallFilterTest() : path_(absl::StrCat(testing::TempDir(), "/f.XXXXXX")) {
    EXPECT_NE(mkdtemp(path_.data()), nullptr);
    directory_.reset(open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }

  // How a process ends that enters the filter and calls `act`: wait(2)'s
  // status.
  int Run(const std::function<bool(int directory)>& act) {
    const int directory = directory_.get();
    const pid_t child = fork();
    if (child == 0) {
      prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
      if (!EnterSyscallFilter(directory)) syscall(SYS_exit_group, kRefused);
      syscall(SYS_exit_group, act(directory) ? 0 : 1);
    }
    int status = -1;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    return status;
  }

  void ExpectAllowed(const char* what,
                     const std::function<bool(int directory)>& act) {
    const int status = Run(act);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0)
        << what << ": " << status;
  }
  void ExpectEnded(const char* what,
                   const std::function<bool(int directory)>& act) {
    const int status = Run(act);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
        << what << ": " << status;
  }

  std::string path_;
  UniqueFd directory_;
};

TEST_F(SyscallFilterTest, WorkOfTheKeeperGoesOn) {
  ExpectAllowed("a log", [](int directory) {
    const int fd = openat(directory, "a", O_WRONLY | O_CREAT | O_APPEND, 0600);
    struct stat info;
    return fd >= 0 && write(fd, "x", 1) == 1 && fstat(fd, &info) == 0 &&
           info.st_size == 1 && close(fd) == 0 &&
           renameat(directory, "a", directory, "b") == 0 &&
           unlinkat(directory, "b", 0) == 0;
  });
  ExpectAllowed("waiting", [](int) {
    timespec now;
    return poll(nullptr, 0, 1) == 0 && waitpid(-1, nullptr, WNOHANG) == -1 &&
           syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now) == 0;
  });
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  const UniqueFd one(ends[0]);
  const UniqueFd other(ends[1]);
  ExpectAllowed("a console", [&](int) {
    char byte;
    // There is no connection to accept: that the call is made is what counts.
    return send(ends[0], "x", 1, MSG_NOSIGNAL) == 1 &&
           read(ends[1], &byte, 1) == 1 &&
           accept4(ends[0], nullptr, nullptr, 0) == -1;
  });
}

TEST_F(SyscallFilterTest, EveryOtherCallEndsTheProcess) {
  ExpectEnded("socket", [](int) {
    return syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0) >= 0;
  });
  ExpectEnded("connect",
              [](int) { return syscall(SYS_connect, 0, nullptr, 0) == 0; });
  ExpectEnded("sendmsg",
              [](int) { return syscall(SYS_sendmsg, 0, nullptr, 0) >= 0; });
  ExpectEnded("execve", [](int) {
    return syscall(SYS_execve, "/bin/true", nullptr, nullptr) == 0;
  });
  ExpectEnded("fork", [](int) { return syscall(SYS_fork) >= 0; });
  ExpectEnded("clone3",
              [](int) { return syscall(SYS_clone3, nullptr, 0) >= 0; });
  ExpectEnded("memory that is code", [](int) {
    return syscall(SYS_mmap, nullptr, 4096, PROT_READ | PROT_EXEC,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) >= 0;
  });
  ExpectEnded("mprotect", [](int) {
    return syscall(SYS_mprotect, nullptr, 4096, PROT_EXEC) == 0;
  });
  ExpectEnded("ptrace", [](int) { return syscall(SYS_ptrace, 0, 0, 0) == 0; });
  ExpectEnded("kill", [](int) { return syscall(SYS_kill, 2, 0) == 0; });
  ExpectEnded("ioctl", [](int) { return syscall(SYS_ioctl, 0, 0, 0) == 0; });
  ExpectEnded("a second filter",
              [](int) { return syscall(SYS_seccomp, 0, 0, nullptr) == 0; });
  // That of getpid, which is harmless, in the numbering of x32.
  ExpectEnded("an x32 call",
              [](int) { return syscall(0x40000000 | SYS_getpid) >= 0; });
}

TEST_F(SyscallFilterTest, FilesOutsideOfTheLogDirectoryEndTheProcess) {
  ExpectEnded("openat", [](int) {
    return openat(AT_FDCWD, "/etc/passwd", O_RDONLY) >= 0;
  });
  ExpectEnded("open", [](int) {
    return syscall(SYS_open, "/etc/passwd", O_RDONLY) >= 0;
  });
  ExpectEnded("unlinkat", [](int directory) {
    return unlinkat(directory + 1, "a", 0) == 0;
  });
  ExpectEnded("renameat from elsewhere", [](int directory) {
    return renameat(AT_FDCWD, "a", directory, "b") == 0;
  });
  ExpectEnded("renameat to elsewhere", [](int directory) {
    return renameat(directory, "a", AT_FDCWD, "b") == 0;
  });
}

}  // namespace
}  // namespace innkeeper
