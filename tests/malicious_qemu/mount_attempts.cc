// Mounts, roots and namespaces.
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <initializer_list>

#include "tests/malicious_qemu/attempt.h"

// <sys/mount.h> and <linux/mount.h> do not go together in Debian 12.
extern "C" int mount(const char* source, const char* target, const char* type,
                     unsigned long flags, const void* data);
extern "C" int umount2(const char* target, int flags);

namespace {

constexpr int kDetach = 2;  // MNT_DETACH

bool Mounts(const Target&) {
  return mount("tmpfs", "/usr", "tmpfs", 0, nullptr) == 0;
}
bool BindsHostsRoot(const Target&) {
  return mount("/proc/1/root", "/usr", nullptr, MS_BIND, nullptr) == 0;
}
bool MountsProc(const Target&) {
  return mount("proc", "/proc", "proc", 0, nullptr) == 0;
}
bool MountsControlGroups(const Target&) {
  return mount("cgroup", "/usr", "cgroup", 0, "memory") == 0 ||
         mount("cgroup2", "/usr", "cgroup2", 0, nullptr) == 0;
}
bool MakesUsrWritable(const Target&) {
  return mount(nullptr, "/usr", nullptr, MS_REMOUNT | MS_BIND, nullptr) == 0;
}
bool MakesRootWritable(const Target&) {
  return mount(nullptr, "/", nullptr, MS_REMOUNT | MS_BIND, nullptr) == 0;
}
bool Unmounts(const Target&) {
  return umount2("/proc", kDetach) == 0 || umount2("/dev", kDetach) == 0 ||
         umount2("/", kDetach) == 0;
}
bool PivotsRoot(const Target&) {
  return syscall(SYS_pivot_root, ".", ".") == 0 || errno == EBUSY;
}
bool ChangesRoot(const Target&) { return chroot("/usr") == 0; }
bool ClonesTree(const Target&) {
  return syscall(SYS_open_tree, AT_FDCWD, "/", OPEN_TREE_CLONE) >= 0;
}
bool OpensFileSystem(const Target&) {
  return syscall(SYS_fsopen, "tmpfs", 0) >= 0;
}
bool MovesMount(const Target&) {
  if (syscall(SYS_move_mount, AT_FDCWD, "/usr", AT_FDCWD, "/dev", 0) != 0) {
    return false;
  }
  // Those that come after need what is there.
  syscall(SYS_move_mount, AT_FDCWD, "/dev", AT_FDCWD, "/usr", 0);
  return true;
}
bool SetsMountFlags(const Target&) {
  mount_attr attributes = {};
  attributes.attr_clr = MOUNT_ATTR_RDONLY;
  return syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, &attributes,
                 sizeof(attributes)) == 0;
}

bool LeavesFor(int flags) { return unshare(flags) == 0; }
bool MakesUserNamespace(const Target&) { return LeavesFor(CLONE_NEWUSER); }
bool MakesMountNamespace(const Target&) { return LeavesFor(CLONE_NEWNS); }
bool MakesNetNamespace(const Target&) { return LeavesFor(CLONE_NEWNET); }
bool MakesPidNamespace(const Target&) { return LeavesFor(CLONE_NEWPID); }

bool ClonesIntoUserNamespace(const Target&) {
  const long pid =
      syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, nullptr, nullptr, nullptr, 0);
  if (pid == 0) _exit(0);
  const int error = errno;
  if (pid > 0) waitpid(static_cast<pid_t>(pid), nullptr, 0);
  errno = error;
  return pid > 0;
}
bool Clones3IntoUserNamespace(const Target&) {
  clone_args args = {};
  args.flags = CLONE_NEWUSER | CLONE_NEWNS;
  args.exit_signal = SIGCHLD;
  const long pid = syscall(SYS_clone3, &args, sizeof(args));
  if (pid == 0) _exit(0);
  return pid > 0;
}

bool Enters(const char* who) {
  for (const char* kind : {"user", "mnt", "net", "pid", "ipc", "uts"}) {
    char path[128];
    snprintf(path, sizeof(path), "/proc/%s/ns/%s", who, kind);
    const int fd = open(path, O_RDONLY);
    if (fd >= 0 && setns(fd, 0) == 0) return true;
  }
  return false;
}
bool EntersKeepersNamespaces(const Target&) { return Enters("1"); }
bool EntersItsOwnNamespaces(const Target&) { return Enters("self"); }

}  // namespace

const Attempt kMountAttempts[] = {
    {"mount.tmpfs", &Mounts},
    {"mount.bind_hosts_root", &BindsHostsRoot},
    {"mount.proc", &MountsProc},
    {"mount.control_groups", &MountsControlGroups},
    {"mount.make_usr_writable", &MakesUsrWritable},
    {"mount.make_root_writable", &MakesRootWritable},
    {"mount.unmount", &Unmounts},
    {"mount.pivot_root", &PivotsRoot},
    {"mount.chroot", &ChangesRoot},
    {"mount.open_tree", &ClonesTree},
    {"mount.fsopen", &OpensFileSystem},
    {"mount.move_mount", &MovesMount},
    {"mount.set_flags", &SetsMountFlags},
    {"namespace.user", &MakesUserNamespace},
    {"namespace.mount", &MakesMountNamespace},
    {"namespace.net", &MakesNetNamespace},
    {"namespace.pid", &MakesPidNamespace},
    {"namespace.clone_user", &ClonesIntoUserNamespace},
    {"namespace.clone3_user", &Clones3IntoUserNamespace},
    {"namespace.enter_keepers", &EntersKeepersNamespaces},
    {"namespace.enter_own", &EntersItsOwnNamespaces},
    {nullptr, nullptr}};
