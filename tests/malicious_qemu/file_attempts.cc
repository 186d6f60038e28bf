// Files of the host, by every way there is to name one.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <initializer_list>

#include "tests/malicious_qemu/attempt.h"

namespace {

bool CanOpen(const char* path, int flags) {
  const int fd = open(path, flags, 0666);
  if (fd >= 0) close(fd);
  return fd >= 0;
}

// `before` and the canary's path, as one.
bool CanOpenBehind(const char* before, const Target& target) {
  char path[4096];
  snprintf(path, sizeof(path), "%s%s", before, target.file);
  return CanOpen(path, O_RDONLY);
}

bool ReadsCanary(const Target& target) {
  return CanOpen(target.file, O_RDONLY);
}
bool WritesCanary(const Target& target) {
  return CanOpen(target.file, O_WRONLY | O_CREAT);
}
bool ReadsCanaryByParents(const Target& target) {
  return CanOpenBehind("/../../../../../..", target);
}
bool ReadsCanaryBySelfRoot(const Target& target) {
  return CanOpenBehind("/proc/self/root", target);
}
bool ReadsCanaryByKeeperRoot(const Target& target) {
  return CanOpenBehind("/proc/1/root", target);
}
bool ReadsCanaryByKeeperDirectory(const Target& target) {
  return CanOpenBehind("/proc/1/cwd", target);
}

// Of each descriptor that it has, as of a directory.
bool ReadsCanaryByDescriptors(const Target& target) {
  for (int fd = 0; fd < 64; ++fd) {
    if (openat(fd, "..", O_RDONLY) >= 0) return true;
    char before[64];
    snprintf(before, sizeof(before), "/proc/self/fd/%d/..", fd);
    if (CanOpenBehind(before, target)) return true;
  }
  return false;
}

// As ReadsCanaryByDescriptors, of those that the keeper has.
bool OpensDescriptorsOfTheKeeper(const Target&) {
  for (int fd = 0; fd < 16; ++fd) {
    char path[64];
    snprintf(path, sizeof(path), "/proc/1/fd/%d", fd);
    if (CanOpen(path, O_RDONLY)) return true;
  }
  return false;
}

// It has it open for reading only.
bool ReopensDiskForWriting(const Target& target) {
  char path[64];
  snprintf(path, sizeof(path), "/proc/self/fd/%d", target.read_only_disk);
  return CanOpen(path, O_RDWR);
}
bool WritesReadOnlyDisk(const Target& target) {
  return pwrite(target.read_only_disk, "x", 1, 0) == 1;
}
bool TruncatesReadOnlyDisk(const Target& target) {
  return ftruncate(target.read_only_disk, 0) == 0;
}
bool OwnsDisk(const Target& target) {
  return fchown(target.read_only_disk, getuid(), getgid()) == 0;
}
bool OpensDiskToAll(const Target& target) {
  return fchmod(target.read_only_disk, 0666) == 0;
}
bool LabelsDisk(const Target& target) {
  return fsetxattr(target.read_only_disk, "trusted.x", "x", 1, 0) == 0;
}
bool NamesDisk(const Target& target) {
  char path[64];
  snprintf(path, sizeof(path), "/proc/self/fd/%d", target.read_only_disk);
  return linkat(AT_FDCWD, path, AT_FDCWD, "/disk", AT_SYMLINK_FOLLOW) == 0;
}

// The root of a file system has an inode that can be guessed.
bool OpensByHandle(const Target&) {
  struct {
    file_handle handle;
    unsigned char bytes[8];
  } guess = {};
  guess.handle.handle_bytes = sizeof(guess.bytes);
  guess.handle.handle_type = 1;
  guess.bytes[0] = 2;
  const int root = open("/", O_RDONLY | O_DIRECTORY);
  return syscall(SYS_open_by_handle_at, root, &guess.handle, O_RDONLY) >= 0 ||
         errno == ESTALE;
}
bool AsksForHandle(const Target&) {
  struct {
    file_handle handle;
    unsigned char bytes[128];
  } handle = {};
  handle.handle.handle_bytes = sizeof(handle.bytes);
  int mount;
  return syscall(SYS_name_to_handle_at, AT_FDCWD, "/", &handle.handle, &mount,
                 0) == 0;
}

bool MakesBlockDevice(const Target&) {
  return mknod("/dev/disk", S_IFBLK | 0666, makedev(8, 0)) == 0;
}
bool MakesMemoryDevice(const Target&) {
  return mknod("/mem", S_IFCHR | 0666, makedev(1, 1)) == 0;
}
bool OpensHostDevices(const Target&) {
  for (const char* path : {"/dev/mem", "/dev/kmsg", "/dev/sda", "/dev/vda",
                           "/dev/loop-control", "/dev/fuse", "/dev/net/tun",
                           "/dev/vhost-net", "/dev/tty", "/dev/ptmx"}) {
    if (CanOpen(path, O_RDONLY)) return true;
  }
  return false;
}
bool WritesItsOwnBinary(const Target&) {
  return CanOpen("/proc/self/exe", O_RDWR) || errno == ETXTBSY;
}
bool MakesFiles(const Target&) {
  for (const char* path : {"/x", "/usr/x", "/usr/bin/x", "/etc/x", "/dev/x",
                           "/proc/x", "/tmp/x", "/run/x"}) {
    if (CanOpen(path, O_RDWR | O_CREAT)) return true;
  }
  return mkdir("/x", 0777) == 0;
}
bool ReadsKernelsFiles(const Target&) {
  for (const char* path :
       {"/sys", "/proc/sys", "/proc/kcore", "/proc/kallsyms",
        "/proc/sysrq-trigger", "/proc/meminfo", "/proc/cmdline"}) {
    if (CanOpen(path, O_RDONLY)) return true;
  }
  return false;
}
bool WritesControlGroup(const Target& target) {
  for (const char* file : {"cgroup.procs", "memory.max", "pids.max",
                           "memory.limit_in_bytes", "release_agent"}) {
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", target.cgroup, file);
    if (CanOpen(path, O_WRONLY)) return true;
  }
  return CanOpen("/sys/fs/cgroup", O_RDONLY);
}
bool SeesTheKeeper(const Target&) {
  return CanOpen("/proc/1/status", O_RDONLY) ||
         CanOpen("/proc/1/maps", O_RDONLY);
}

}  // namespace

const Attempt kFileAttempts[] = {
    {"file.read_canary", &ReadsCanary},
    {"file.write_canary", &WritesCanary},
    {"file.read_by_parents", &ReadsCanaryByParents},
    {"file.read_by_own_root", &ReadsCanaryBySelfRoot},
    {"file.read_by_keepers_root", &ReadsCanaryByKeeperRoot},
    {"file.read_by_keepers_directory", &ReadsCanaryByKeeperDirectory},
    {"file.read_by_descriptors", &ReadsCanaryByDescriptors},
    {"file.open_keepers_descriptors", &OpensDescriptorsOfTheKeeper},
    {"file.reopen_disk_for_writing", &ReopensDiskForWriting},
    {"file.write_read_only_disk", &WritesReadOnlyDisk},
    {"file.truncate_read_only_disk", &TruncatesReadOnlyDisk},
    {"file.own_disk", &OwnsDisk},
    {"file.open_disk_to_all", &OpensDiskToAll},
    {"file.label_disk", &LabelsDisk},
    {"file.name_disk", &NamesDisk},
    {"file.open_by_handle", &OpensByHandle},
    {"file.ask_for_handle", &AsksForHandle},
    {"file.make_block_device", &MakesBlockDevice},
    {"file.make_memory_device", &MakesMemoryDevice},
    {"file.open_host_devices", &OpensHostDevices},
    {"file.write_own_binary", &WritesItsOwnBinary},
    {"file.make_files", &MakesFiles},
    {"file.read_kernels_files", &ReadsKernelsFiles},
    {"file.write_control_group", &WritesControlGroup},
    {"file.see_keeper", &SeesTheKeeper},
    {nullptr, nullptr}};
