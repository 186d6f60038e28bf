#include "agent/launcher/mounts.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace innkeeper {
namespace {

constexpr unsigned long kPlain = MS_NOSUID | MS_NODEV | MS_NOEXEC;
// Of a root that has programs itself.
constexpr unsigned long kTreeFlags = MS_NOSUID | MS_NODEV;

absl::Status Mount(const char* source, const char* target, const char* type,
                   unsigned long flags, const char* data) {
  if (mount(source, target, type, flags, data) == 0) return absl::OkStatus();
  return ErrnoError(errno, absl::StrCat("mount ", target));
}

absl::Status MakeDirectory(const std::string& path) {
  if (mkdir(path.c_str(), 0755) == 0 || errno == EEXIST) {
    return absl::OkStatus();
  }
  return ErrnoError(errno, absl::StrCat("mkdir ", path));
}

// Binds the host's `path` to the same path beneath the current directory.
absl::Status Bind(const std::string& path, unsigned long flags) {
  const std::string target = path.substr(1);
  RETURN_IF_ERROR(
      Mount(path.c_str(), target.c_str(), nullptr, MS_BIND, nullptr));
  // A bind mount takes its flags only when it is mounted again.
  return Mount(nullptr, target.c_str(), nullptr,
               MS_REMOUNT | MS_BIND | MS_RDONLY | flags, nullptr);
}

// As Bind, for a file; makes the directories that lead to it.
absl::Status BindFile(const std::string& path, unsigned long flags) {
  for (size_t slash = path.find('/', 1); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    RETURN_IF_ERROR(MakeDirectory(path.substr(1, slash - 1)));
  }
  const UniqueFd file(open(path.substr(1).c_str(),
                           O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0555));
  if (!file.valid()) return ErrnoError(errno, absl::StrCat("create ", path));
  return Bind(path, flags);
}

absl::Status MakeDevice(const char* path, mode_t mode, int major, int minor) {
  if (mknod(path, S_IFCHR | mode, makedev(major, minor)) != 0) {
    return ErrnoError(errno, absl::StrCat("mknod ", path));
  }
  return absl::OkStatus();
}

absl::Status FillDev(bool kvm) {
  RETURN_IF_ERROR(MakeDirectory("dev"));
  RETURN_IF_ERROR(Mount("tmpfs", "dev", "tmpfs", MS_NOSUID | MS_NOEXEC,
                        "size=4k,nr_inodes=16,mode=755"));
  // Writable: without it QEMU finds no way to lock images and goes on without.
  RETURN_IF_ERROR(MakeDevice("dev/null", 0666, 1, 3));
  RETURN_IF_ERROR(MakeDevice("dev/urandom", 0444, 1, 9));
  // Open to all who can see it, which is this guest.
  if (kvm) RETURN_IF_ERROR(MakeDevice("dev/kvm", 0666, 10, 232));
  return Mount(nullptr, "dev", nullptr,
               MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NOEXEC,
               nullptr);
}

absl::Status FillProc() {
  RETURN_IF_ERROR(MakeDirectory("proc"));
  // Of all of /proc only the reader's own processes: QEMU names its inherited
  // descriptors by /proc/self/fd.
  return Mount("proc", "proc", "proc", kPlain, "subset=pid,hidepid=2");
}

absl::Status LinkMergedUsr() {
  for (const char* name : {"bin", "lib", "lib64", "sbin"}) {
    if (symlink(absl::StrCat("usr/", name).c_str(), name) != 0) {
      return ErrnoError(errno, absl::StrCat("symlink /", name));
    }
  }
  return absl::OkStatus();
}

// What `path` is when `root` is the root directory.
absl::StatusOr<mode_t> ModeIn(int root, const std::string& path) {
  open_how how = {};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  const UniqueFd fd(static_cast<int>(
      syscall(SYS_openat2, root, path.c_str(), &how, sizeof(how))));
  struct stat info;
  if (!fd.valid() || fstat(fd.get(), &info) != 0) {
    return ErrnoError(errno, path);
  }
  return info.st_mode;
}

absl::Status BindTree(const RootSpec& spec) {
  const char* const target = spec.mount_point.c_str();
  RETURN_IF_ERROR(Mount(spec.tree.c_str(), target, nullptr, MS_BIND, nullptr));
  RETURN_IF_ERROR(Mount(nullptr, target, nullptr,
                        MS_REMOUNT | MS_BIND | MS_RDONLY | kTreeFlags,
                        nullptr));
  if (chdir(target) != 0) return ErrnoError(errno, "chdir");
  RETURN_IF_ERROR(FillProc());
  return FillDev(spec.kvm);
}

absl::Status FillRoot(const RootSpec& spec) {
  RETURN_IF_ERROR(Mount("tmpfs", spec.mount_point.c_str(), "tmpfs", kPlain,
                        "size=16k,nr_inodes=64,mode=755"));
  if (chdir(spec.mount_point.c_str()) != 0) return ErrnoError(errno, "chdir");
  RETURN_IF_ERROR(MakeDirectory("usr"));
  RETURN_IF_ERROR(Bind("/usr", MS_NOSUID | MS_NODEV));
  RETURN_IF_ERROR(LinkMergedUsr());
  RETURN_IF_ERROR(MakeDirectory("etc"));
  RETURN_IF_ERROR(BindFile("/etc/ld.so.cache", kPlain));
  if (!absl::StartsWith(spec.binary, "/usr/")) {
    RETURN_IF_ERROR(BindFile(spec.binary, MS_NOSUID | MS_NODEV));
  }
  RETURN_IF_ERROR(FillProc());
  return FillDev(spec.kvm);
}

}  // namespace

absl::Status CheckRootTree(const std::string& tree, const std::string& binary) {
  const auto refuse = [&](absl::string_view lack) {
    return Error(absl::StatusCode::kFailedPrecondition,
                 reason::kContextUnavailable,
                 absl::StrCat("the root ", tree, " has no ", lack));
  };
  const UniqueFd root(open(tree.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root.valid()) return refuse("directory of its own any more");
  const absl::StatusOr<mode_t> program = ModeIn(root.get(), binary);
  if (!program.ok() || !S_ISREG(*program) || (*program & 0111) == 0) {
    return refuse(absl::StrCat("program ", binary));
  }
  for (const char* point : {"/proc", "/dev"}) {
    struct stat info;
    // Not a link: it would be followed when it is mounted on.
    if (fstatat(root.get(), point + 1, &info, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISDIR(info.st_mode)) {
      return refuse(absl::StrCat("directory ", point, " to mount on"));
    }
  }
  return absl::OkStatus();
}

absl::Status EnterRoot(const RootSpec& spec) {
  // Devices are made with exactly the modes that are written here.
  umask(0);
  // Nothing that is mounted from here on is seen by the host, nor the reverse.
  RETURN_IF_ERROR(Mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr));
  const bool has_tree = !spec.tree.empty();
  RETURN_IF_ERROR(has_tree ? BindTree(spec) : FillRoot(spec));
  // The old root ends up beneath the new one and is let go: pivot_root(2).
  if (syscall(SYS_pivot_root, ".", ".") != 0) {
    return ErrnoError(errno, "pivot_root");
  }
  if (umount2(".", MNT_DETACH) != 0) {
    return ErrnoError(errno, "unmount the host's root");
  }
  if (chdir("/") != 0) return ErrnoError(errno, "chdir /");
  umask(077);
  RETURN_IF_ERROR(
      Mount(nullptr, "/", nullptr,
            MS_REMOUNT | MS_BIND | MS_RDONLY | (has_tree ? kTreeFlags : kPlain),
            nullptr));
  // The kernel makes no user namespace for a process whose root is not that of
  // its mount namespace, whatever system call filter it has. This lies on top
  // of the root, and the processes stay below: they never see it.
  return Mount("tmpfs", "/", "tmpfs", MS_RDONLY | kPlain,
               "size=4k,nr_inodes=1,mode=0");
}

}  // namespace innkeeper
