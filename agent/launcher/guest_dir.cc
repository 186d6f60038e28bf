#include "agent/launcher/guest_dir.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "agent/launch/launch_plan.h"
#include "agent/launcher/remove_tree.h"
#include "base/error.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace innkeeper {
namespace {

bool Plans(const LaunchPlan& plan, FdKind kind) {
  for (const PlannedFd& fd : plan.fds) {
    if (fd.kind == kind) return true;
  }
  return false;
}

absl::StatusOr<UniqueFd> OpenDirectory(int at, const std::string& name) {
  UniqueFd fd(openat(at, name.c_str(),
                     O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.valid()) return ErrnoError(errno, absl::StrCat("open ", name));
  return fd;
}

absl::Status Own(int fd, uid_t uid, gid_t gid, mode_t mode) {
  // In this order: changing the owner takes the set-group-id bit away.
  if (fchown(fd, uid, gid) != 0) return ErrnoError(errno, "chown");
  if (fchmod(fd, mode) != 0) return ErrnoError(errno, "chmod");
  return absl::OkStatus();
}

// A stream socket bound to `name` in `directory`, for whose group it is.
absl::StatusOr<UniqueFd> BindSocket(int directory, const char* name,
                                    gid_t group) {
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return ErrnoError(errno, "socket");
  // By a relative name: a whole path may be longer than a socket's address.
  if (fchdir(directory) != 0) return ErrnoError(errno, "fchdir");
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  strncpy(address.sun_path, name, sizeof(address.sun_path) - 1);
  const int bound =
      bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address));
  const int error = errno;
  if (chdir("/") != 0) return ErrnoError(errno, "chdir /");
  if (bound != 0) return ErrnoError(error, absl::StrCat("bind ", name));
  // By name, but in a directory that only root can change.
  if (fchownat(directory, name, 0, group, AT_SYMLINK_NOFOLLOW) != 0 ||
      fchmodat(directory, name, 0660, 0) != 0) {
    return ErrnoError(errno, absl::StrCat("own ", name));
  }
  return fd;
}

absl::Status WriteManifest(int directory, gid_t group,
                           absl::string_view manifest) {
  const UniqueFd fd(openat(directory, "manifest",
                           O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640));
  if (!fd.valid()) return ErrnoError(errno, "create manifest");
  RETURN_IF_ERROR(WriteAll(fd.get(), manifest));
  return Own(fd.get(), 0, group, 0640);
}

}  // namespace

std::string GuestDirs::PathOf(absl::string_view guest) const {
  return absl::StrCat(directory_, "/", guest);
}

absl::StatusOr<GuestDirFds> GuestDirs::Make(const LaunchPlan& plan,
                                            uid_t keeper) {
  const std::string path = PathOf(plan.guest);
  if (mkdir(path.c_str(), 0700) != 0) {
    return ErrnoError(errno, absl::StrCat("mkdir ", path));
  }
  ASSIGN_OR_RETURN(const UniqueFd directory, OpenDirectory(AT_FDCWD, path));
  RETURN_IF_ERROR(WriteManifest(directory.get(), agent_gid_, plan.manifest));
  if (mkdirat(directory.get(), "log", 0700) != 0) {
    return ErrnoError(errno, "mkdir log");
  }
  ASSIGN_OR_RETURN(const UniqueFd log, OpenDirectory(directory.get(), "log"));
  // Set-group-id: the agent reads what the keeper writes.
  RETURN_IF_ERROR(Own(log.get(), keeper, agent_gid_, 02750));
  GuestDirFds fds;
  fds.log.reset(static_cast<int>(
      syscall(SYS_open_tree, log.get(), "",
              AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)));
  if (!fds.log.valid()) return ErrnoError(errno, "open_tree log");
  const std::pair<FdKind, std::pair<const char*, UniqueFd*>> sockets[] = {
      {FdKind::kQmp, {"qmp.sock", &fds.qmp}},
      {FdKind::kBreakGlass, {"qmp2.sock", &fds.break_glass}},
      {FdKind::kConsole, {"console.sock", &fds.console}},
  };
  for (const auto& [kind, socket] : sockets) {
    if (!Plans(plan, kind)) continue;
    ASSIGN_OR_RETURN(*socket.second,
                     BindSocket(directory.get(), socket.first, agent_gid_));
  }
  RETURN_IF_ERROR(Own(directory.get(), 0, agent_gid_, 0750));
  return fds;
}

absl::Status GuestDirs::Remove(absl::string_view guest) {
  return RemoveTree(PathOf(guest));
}

absl::StatusOr<std::string> GuestDirs::ReadManifest(
    absl::string_view guest) const {
  return ReadFile(absl::StrCat(PathOf(guest), "/manifest"), kMaxManifestBytes);
}

std::vector<std::string> GuestDirs::List() const {
  std::vector<std::string> ids;
  DIR* const directory = opendir(directory_.c_str());
  if (directory == nullptr) return ids;
  while (const dirent* entry = readdir(directory)) {
    if (IsGuestId(entry->d_name)) ids.push_back(entry->d_name);
  }
  closedir(directory);
  return ids;
}

}  // namespace innkeeper
