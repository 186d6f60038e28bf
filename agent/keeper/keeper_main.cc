// innkeeper-keeper: pid 1 of a guest's pid namespace and QEMU's parent.
//
// It reaps, writes the guest's console and QEMU's errors into bounded files,
// lets clients attach to the console, records how QEMU ended, and ends with it.
// It has a uid of its own and no privilege, and it takes from itself every
// system call that it does not need. Plain code without a heap: there is one of
// it for every guest.
//
// Usage: innkeeper-keeper QEMU-PID console|no-console, with the descriptors of
// agent/launcher/jail.h.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/keeper/console.h"
#include "agent/keeper/exit_record.h"
#include "agent/keeper/log_file.h"
#include "agent/keeper/monotonic.h"
#include "agent/keeper/syscall_filter.h"

namespace innkeeper {
namespace {

constexpr int kLogDir = 3;
constexpr int kErrors = 4;
constexpr int kConsole = 5;
constexpr int kListener = 6;

constexpr long kConsoleLogBytes = 10L << 20;
constexpr int kConsoleLogs = 3;
constexpr long kErrorLogBytes = 1L << 20;
constexpr int kErrorLogs = 2;
// QEMU is done when it is read for the last time: what is left is bounded.
constexpr int kMaxLastReads = 64;

void SetNonBlocking(int fd) {
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

int WatchChildren() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGCHLD);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  return signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

// Reads QEMU's errors; false once there will be none any more.
bool ReadErrors(LogFile& log) {
  static char buffer[4096];
  const ssize_t got = read(kErrors, buffer, sizeof(buffer));
  if (got > 0) log.Append(buffer, static_cast<size_t>(got));
  return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

// Reaps whatever ended; true if QEMU did, with its status.
bool ReapQemu(pid_t qemu, int signal_fd, int& status) {
  signalfd_siginfo info;
  while (read(signal_fd, &info, sizeof(info)) > 0) {
  }
  bool ended = false;
  int one;
  pid_t pid;
  while ((pid = waitpid(-1, &one, WNOHANG)) > 0) {
    if (pid != qemu) continue;
    ended = true;
    status = one;
  }
  return ended;
}

int Run(pid_t qemu, bool has_console) {
  static LogFile errors(kLogDir, "stderr.log", kErrorLogBytes, kErrorLogs);
  static LogFile transcript(kLogDir, "console.log", kConsoleLogBytes,
                            kConsoleLogs);
  static Console console(kConsole, kListener, transcript);
  const int children = WatchChildren();
  SetNonBlocking(kErrors);
  if (has_console) {
    SetNonBlocking(kConsole);
    SetNonBlocking(kListener);
  }
  // QEMU was made before, and has a filter of its own. Without this one there
  // is no guest: it ends with its pid 1.
  if (!EnterSyscallFilter(kLogDir)) return 3;
  bool errors_open = true;
  // QEMU may have ended before anybody watched.
  bool look = true;
  while (true) {
    pollfd waiting[2 + Console::kMaxPolled];
    waiting[0] = {children, POLLIN, 0};
    waiting[1] = {errors_open ? kErrors : -1, POLLIN, 0};
    int timeout = look ? 0 : -1;
    int count = 2;
    if (has_console) {
      count += console.Prepare(waiting + 2, MonotonicMillis(), &timeout);
    }
    if (poll(waiting, static_cast<nfds_t>(count), timeout) < 0) continue;
    if (waiting[1].revents != 0) errors_open = ReadErrors(errors);
    if (has_console) console.Handle(waiting + 2, MonotonicMillis());
    int status;
    look = look || waiting[0].revents != 0;
    if (!look) continue;
    look = false;
    if (!ReapQemu(qemu, children, status)) continue;
    for (int i = 0; i < kMaxLastReads && errors_open; ++i) {
      errors_open = ReadErrors(errors);
    }
    if (has_console) console.Finish();
    errors.Finish();
    transcript.Finish();
    WriteExitRecord(kLogDir, status);
    return 0;
  }
}

}  // namespace
}  // namespace innkeeper

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  prctl(PR_SET_NAME, "ik-keeper");
  signal(SIGPIPE, SIG_IGN);
  // A log that reaches the limit of its size is a write that fails.
  signal(SIGXFSZ, SIG_IGN);
  umask(0137);
  return innkeeper::Run(atoi(argv[1]), strcmp(argv[2], "console") == 0);
}
