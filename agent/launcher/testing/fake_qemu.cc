// Stands for QEMU in tests of the jail and the keeper. Does one thing:
//
//   sleep            nothing, for ever
//   exit N           exits with N
//   abort            dies of SIGABRT, which a pid 1 would survive
//   flood FD BYTES   writes BYTES to FD in lines that are counted, then sleeps
//   echo FD          writes back what it reads from FD
//   grow FD BYTES    tries to make the file behind FD larger than BYTES, as
//   probe keys             looks for the key of the test, as probe probe tries
//   what a broken-out guest would; one line for each
//                    attempt, "NAME refused" or "NAME ALLOWED", on output
//   landlock         tries to write what nothing but Landlock protects, so
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

namespace {

void Say(const char* name, bool allowed) {
  printf("%s %s\n", name, allowed ? "ALLOWED" : "refused");
}

bool CanWrite(const char* path) {
  const int fd = open(path, O_WRONLY | O_CREAT, 0644);
  if (fd >= 0) close(fd);
  return fd >= 0;
}

bool CanRead(const char* path) {
  const int fd = open(path, O_RDONLY);
  if (fd >= 0) close(fd);
  return fd >= 0;
}

bool CanSendToHost() {
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  sockaddr address = {};
  address.sa_family = AF_INET;
  // 127.0.0.1: the loopback device of a new network namespace is down.
  address.sa_data[0] = 0;
  address.sa_data[1] = 9;
  address.sa_data[2] = 127;
  address.sa_data[5] = 1;
  const bool sent = sendto(fd, "x", 1, 0, &address, sizeof(address)) == 1;
  close(fd);
  return sent;
}

int Probe() {
  Say("setuid", setuid(0) == 0);
  Say("setgid", setgid(0) == 0);
  Say("chroot", chroot("/usr") == 0);
  Say("mount", mount("tmpfs", "/usr", "tmpfs", 0, nullptr) == 0);
  Say("remount",
      mount(nullptr, "/usr", nullptr, MS_REMOUNT | MS_BIND, nullptr) == 0);
  Say("umount", umount2("/dev", MNT_DETACH) == 0);
  Say("mknod", mknod("/dev/sda", S_IFBLK | 0666, 0x800) == 0);
  Say("sethostname", sethostname("x", 1) == 0);
  Say("write_root", CanWrite("/canary"));
  Say("write_usr", CanWrite("/usr/canary"));
  Say("write_dev", CanWrite("/dev/canary"));
  Say("write_etc", CanWrite("/etc/canary"));
  Say("mkdir", mkdir("/canary", 0755) == 0);
  Say("read_passwd", CanRead("/etc/passwd"));
  Say("read_root_home", CanRead("/root"));
  Say("read_sys", CanRead("/sys"));
  Say("read_cgroup", CanRead("/sys/fs/cgroup"));
  Say("read_home", CanRead("/home"));
  Say("read_run", CanRead("/run"));
  Say("read_meminfo", CanRead("/proc/meminfo"));
  Say("read_kmsg", CanRead("/dev/kmsg"));
  Say("read_kvm", CanRead("/dev/kvm"));
  Say("see_keeper", CanRead("/proc/1/status"));
  Say("keeper_root", CanRead("/proc/1/root"));
  Say("kill_keeper", kill(1, 0) == 0);
  Say("trace_keeper", ptrace(PTRACE_ATTACH, 1, nullptr, nullptr) == 0);
  Say("network", CanSendToHost());
  rlimit core = {4096, 4096};
  Say("raise_core", setrlimit(RLIMIT_CORE, &core) == 0);
  Say("reboot", syscall(SYS_reboot, 0, 0, 0, nullptr) == 0);
  Say("bpf", syscall(SYS_bpf, 0, nullptr, 0) >= 0);
  // In one, it would have every capability, and with them much more of the
  // kernel to attack.
  Say("user_namespace", unshare(CLONE_NEWUSER) == 0);
  // These two must work: image locks need the one, QEMU the other.
  printf("dev_null %s\n", CanWrite("/dev/null") ? "works" : "BROKEN");
  printf("dev_urandom %s\n", CanRead("/dev/urandom") ? "works" : "BROKEN");
  printf("probe done\n");
  fflush(stdout);
  return 0;
}

int Grow(int fd, off_t bytes) {
  printf("write_within %s\n",
         pwrite(fd, "x", 1, bytes - 1) == 1 ? "works" : "BROKEN");
  Say("write_beyond", pwrite(fd, "x", 1, bytes) >= 0);
  printf("write_beyond says %s\n", errno == EFBIG ? "EFBIG" : "another error");
  Say("truncate_beyond", ftruncate(fd, bytes + 1) == 0);
  Say("allocate_beyond", fallocate(fd, 0, bytes, 1) == 0);
  rlimit limit = {static_cast<rlim_t>(bytes) + 1,
                  static_cast<rlim_t>(bytes) + 1};
  Say("raise_limit", setrlimit(RLIMIT_FSIZE, &limit) == 0);
  printf("grow done\n");
  fflush(stdout);
  return 0;
}

int LookForKey() {
  Say("session_key",
      syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user",
              "innkeeper-canary", 0) >= 0);
  fflush(stdout);
  return 0;
}

// A process may write to its own files in /proc: of all that a guest can see,
// only Landlock keeps it from these.
int ProbeLandlock() {
  Say("write_comm", CanWrite("/proc/self/comm"));
  printf("dev_null %s\n", CanWrite("/dev/null") ? "works" : "BROKEN");
  printf("probe done\n");
  fflush(stdout);
  return 0;
}

[[noreturn]] void Sleep() {
  while (true) pause();
}

void Flood(int fd, long bytes) {
  // Some lines at a time: byte by byte the kernel would be what is tested.
  static char block[4096];
  long number = 0;
  for (long sent = 0; sent < bytes;) {
    int size = 0;
    while (size + 64 < int{sizeof(block)}) {
      size += snprintf(block + size, 64, "line %050ld\n", number++);
    }
    for (int at = 0; at < size;) {
      const ssize_t written = write(fd, block + at, size_t(size - at));
      if (written > 0) at += static_cast<int>(written);
      if (written < 0 && errno != EINTR) return;
    }
    sent += size;
  }
  dprintf(fd, "flood done\n");
}

void Echo(int fd) {
  char buffer[4096];
  ssize_t got;
  while ((got = read(fd, buffer, sizeof(buffer))) > 0) {
    if (write(fd, buffer, static_cast<size_t>(got)) < 0) return;
  }
}

}  // namespace

int main(int argc, char** argv) {
  const char* const verb = argc > 1 ? argv[1] : "sleep";
  if (strcmp(verb, "exit") == 0) return atoi(argv[2]);
  if (strcmp(verb, "abort") == 0) abort();
  if (strcmp(verb, "flood") == 0) Flood(atoi(argv[2]), atol(argv[3]));
  if (strcmp(verb, "echo") == 0) Echo(atoi(argv[2]));
  if (strcmp(verb, "grow") == 0) return Grow(atoi(argv[2]), atol(argv[3]));
  if (strcmp(verb, "probe") == 0) return Probe();
  if (strcmp(verb, "landlock") == 0) return ProbeLandlock();
  if (strcmp(verb, "keys") == 0) return LookForKey();
  Sleep();
}
