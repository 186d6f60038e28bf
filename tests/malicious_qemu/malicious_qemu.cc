// Stands in QEMU's place as a QEMU that was taken over would behave.
//
//   malicious_qemu escape KEY=VALUE...   makes every attempt of attempt.h, each
//       in a process of its own, and says "NAME refused: WHY" or "NAME ALLOWED"
//       of each on its standard error; at the end "escape done: N of M refused"
//       and waits, or ends if one of the arguments is "exit"; skip=NAME leaves
//       out an attempt that would harm a host without a jail
//   malicious_qemu flood FD BYTES        writes as many bytes to FD and to its
//       standard error as it can, then says "flood done" on FD
//   malicious_qemu ARGUMENTS OF QEMU     with "-name guest=evil...": floods
//       whoever connects to its monitor with bytes that never end a line; else
//       becomes the real QEMU
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <initializer_list>

#include "tests/malicious_qemu/attempt.h"

namespace {

constexpr char kQemu[] = "/usr/bin/qemu-system-x86_64";
constexpr unsigned kPatienceSeconds = 10;

// The child's answer: 0 for ALLOWED, or the errno.
constexpr int kAllowed = 0;
constexpr int kUnknown = 255;

bool Make(const Attempt& attempt, const Target& target) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(kPatienceSeconds);
    errno = 0;
    if (attempt.run(target)) _exit(kAllowed);
    _exit(errno > 0 && errno < kUnknown ? errno : kUnknown);
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (child < 0 || (WIFEXITED(status) && WEXITSTATUS(status) == kAllowed)) {
    dprintf(STDERR_FILENO, "%s ALLOWED\n", attempt.name);
    return true;
  }
  if (WIFSIGNALED(status)) {
    // It waited for ever, or was ended for what it did.
    dprintf(STDERR_FILENO, "%s %s: signal %d\n", attempt.name,
            WTERMSIG(status) == SIGALRM ? "HUNG" : "refused", WTERMSIG(status));
    return WTERMSIG(status) == SIGALRM;
  }
  dprintf(STDERR_FILENO, "%s refused: %s\n", attempt.name,
          strerror(WEXITSTATUS(status)));
  return false;
}

Target Parse(int argc, char** argv) {
  Target target;
  for (int i = 2; i < argc; ++i) {
    const char* const value = strchr(argv[i], '=');
    if (value == nullptr) continue;
    const char* const text = value + 1;
    const auto is = [&](const char* key) {
      const size_t size = static_cast<size_t>(value - argv[i]);
      return strlen(key) == size && strncmp(argv[i], key, size) == 0;
    };
    if (is("file")) target.file = text;
    if (is("socket")) target.socket = text;
    if (is("abstract")) target.abstract = text;
    if (is("port")) target.port = atoi(text);
    if (is("monitor")) target.monitor = text;
    if (is("cgroup")) target.cgroup = text;
    if (is("launcher")) target.launcher = atoi(text);
    if (is("other_guest")) target.other_guest = atoi(text);
    if (is("own_keeper")) target.own_keeper = atoi(text);
    if (is("other_uid")) {
      target.other_uid = static_cast<unsigned>(strtoul(text, nullptr, 10));
    }
    if (is("read_only_disk")) target.read_only_disk = atoi(text);
  }
  return target;
}

bool IsIn(int argc, char** argv, const char* argument) {
  for (int i = 2; i < argc; ++i) {
    if (strcmp(argv[i], argument) == 0) return true;
  }
  return false;
}

bool IsSkipped(int argc, char** argv, const char* attempt) {
  char argument[128];
  snprintf(argument, sizeof(argument), "skip=%s", attempt);
  return IsIn(argc, argv, argument);
}

void Escape(const Target& target, int argc, char** argv) {
  int made = 0;
  int refused = 0;
  for (const Attempt* attempts :
       {kFileAttempts, kNetworkAttempts, kProcessAttempts, kMountAttempts,
        kPrivilegeAttempts, kKernelAttempts, kLimitAttempts}) {
    for (; attempts->name != nullptr; ++attempts) {
      if (IsSkipped(argc, argv, attempts->name)) continue;
      ++made;
      if (!Make(*attempts, target)) ++refused;
    }
  }
  dprintf(STDERR_FILENO, "escape done: %d of %d refused\n", refused, made);
}

void WriteAll(int fd, const char* block, size_t size) {
  while (size > 0) {
    const ssize_t written = write(fd, block, size);
    if (written < 0 && errno != EINTR) return;
    if (written > 0) {
      block += written;
      size -= static_cast<size_t>(written);
    }
  }
}

void Flood(int fd, long bytes) {
  static char block[65536];
  memset(block, 'x', sizeof(block));
  for (size_t i = 99; i < sizeof(block); i += 100) block[i] = '\n';
  for (long sent = 0; sent < bytes; sent += long{sizeof(block)}) {
    WriteAll(fd, block, sizeof(block));
    WriteAll(STDERR_FILENO, block, sizeof(block));
  }
  dprintf(fd, "flood done\n");
}

// Greets as QEMU does, and then does not stop.
[[noreturn]] void FloodMonitor(int listener) {
  signal(SIGPIPE, SIG_IGN);
  static char block[65536];
  memset(block, '[', sizeof(block));
  while (true) {
    const int agent = accept(listener, nullptr, nullptr);
    if (agent < 0) continue;
    constexpr char kGreeting[] =
        "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, "
        "\"major\": 7}, \"package\": \"\"}, \"capabilities\": [\"";
    WriteAll(agent, kGreeting, sizeof(kGreeting) - 1);
    while (write(agent, block, sizeof(block)) > 0) {
    }
    close(agent);
  }
}

// N of the first "socket,id=qmp...,fd=N".
int MonitorOf(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    if (strncmp(argv[i], "socket,id=qmp", 13) != 0) continue;
    const char* const number = strstr(argv[i], "fd=");
    if (number != nullptr) return atoi(number + 3);
  }
  return -1;
}

bool IsEvil(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    if (strncmp(argv[i], "guest=evil", 10) == 0) return true;
  }
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && strcmp(argv[1], "escape") == 0) {
    Escape(Parse(argc, argv), argc, argv);
    if (IsIn(argc, argv, "exit")) return 0;
    while (true) pause();
  }
  if (argc > 3 && strcmp(argv[1], "flood") == 0) {
    Flood(atoi(argv[2]), atol(argv[3]));
    while (true) pause();
  }
  if (IsEvil(argc, argv)) FloodMonitor(MonitorOf(argc, argv));
  argv[0] = const_cast<char*>(kQemu);
  execv(kQemu, argv);
  return 127;
}
