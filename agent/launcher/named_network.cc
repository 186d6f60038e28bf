#include "agent/launcher/named_network.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <linux/openat2.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <set>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "agent/launch/launch_context.h"
#include "agent/launcher/config.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/unique_fd.h"

namespace innkeeper {
namespace {

absl::Status Unavailable(absl::string_view path, absl::string_view why) {
  return Error(absl::StatusCode::kFailedPrecondition,
               reason::kContextUnavailable,
               absl::StrCat("network namespace ", path, " ", why))
      .With("path", path);
}

}  // namespace

absl::StatusOr<UniqueFd> OpenNamedNetwork(absl::string_view name,
                                          const std::string& directory) {
  const std::string path = absl::StrCat(directory, "/", name);
  if (!IsContextPartName(name)) return Unavailable(path, "has no such name");
  const absl::Status owned = CheckRootOwned(directory);
  if (!owned.ok()) return Unavailable(path, owned.message());
  const UniqueFd parent(
      open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!parent.valid()) return Unavailable(path, strerror(errno));
  open_how how = {};
  // What else may lie there must not make the launcher wait.
  how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  UniqueFd fd(
      static_cast<int>(syscall(SYS_openat2, parent.get(),
                               std::string(name).c_str(), &how, sizeof(how))));
  if (!fd.valid()) {
    return Unavailable(path, errno == ENOENT
                                 ? "does not exist; make it with 'ip netns add'"
                                 : strerror(errno));
  }
  // Only of a file of that file system does the number below mean a namespace.
  struct statfs info;
  if (fstatfs(fd.get(), &info) != 0 ||
      info.f_type != static_cast<decltype(info.f_type)>(NSFS_MAGIC) ||
      ioctl(fd.get(), NS_GET_NSTYPE) != CLONE_NEWNET) {
    return Unavailable(path, "is no network namespace");
  }
  return fd;
}

std::set<std::string> ListNamedNetworks(size_t limit,
                                        const std::string& directory) {
  std::set<std::string> names;
  DIR* const entries = opendir(directory.c_str());
  if (entries == nullptr) return names;
  while (const dirent* entry = readdir(entries)) {
    if (names.size() == limit) break;
    if (OpenNamedNetwork(entry->d_name, directory).ok()) {
      names.insert(entry->d_name);
    }
  }
  closedir(entries);
  return names;
}

}  // namespace innkeeper
