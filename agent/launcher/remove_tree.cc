#include "agent/launcher/remove_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace innkeeper {
namespace {

constexpr size_t kNamesAtOnce = 1024;

absl::StatusOr<UniqueFd> OpenDirectory(int at, const std::string& name) {
  UniqueFd fd(openat(at, name.c_str(),
                     O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.valid()) return ErrnoError(errno, absl::StrCat("open ", name));
  return fd;
}

// At most kNamesAtOnce names in `directory`; none if it is empty.
absl::StatusOr<std::vector<std::string>> SomeNames(int directory) {
  ASSIGN_OR_RETURN(UniqueFd opened, OpenDirectory(directory, "."));
  DIR* const stream = fdopendir(opened.get());
  if (stream == nullptr) return ErrnoError(errno, "fdopendir");
  static_cast<void>(opened.release());  // closedir(3) closes it.
  std::vector<std::string> names;
  while (names.size() < kNamesAtOnce) {
    const dirent* const entry = readdir(stream);
    if (entry == nullptr) break;
    const absl::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  closedir(stream);
  return names;
}

// Moves the directory `name` from `at` into `top`, as a number above `moved`.
absl::Status MoveUp(int at, const std::string& name, int top, uint64_t& moved) {
  while (syscall(SYS_renameat2, at, name.c_str(), top,
                 absl::StrCat(++moved).c_str(), RENAME_NOREPLACE) != 0) {
    if (errno != EEXIST) return ErrnoError(errno, absl::StrCat("move ", name));
  }
  return absl::OkStatus();
}

// Removes all that is in `directory`, following no link. Whoever it was may
// have nested it more deeply than there are descriptors: each directory
// that is not empty is moved to `top` first, so that two are open at a time.
absl::Status Empty(int directory, int top, uint64_t& moved) {
  while (true) {
    ASSIGN_OR_RETURN(const std::vector<std::string> names,
                     SomeNames(directory));
    if (names.empty()) return absl::OkStatus();
    for (const std::string& name : names) {
      if (unlinkat(directory, name.c_str(), 0) == 0) continue;
      if (errno != EISDIR) return ErrnoError(errno, "remove " + name);
      if (unlinkat(directory, name.c_str(), AT_REMOVEDIR) == 0) continue;
      if (errno != ENOTEMPTY) return ErrnoError(errno, "remove " + name);
      if (directory != top) {
        RETURN_IF_ERROR(MoveUp(directory, name, top, moved));
        continue;
      }
      ASSIGN_OR_RETURN(const UniqueFd child, OpenDirectory(top, name));
      RETURN_IF_ERROR(Empty(child.get(), top, moved));
    }
  }
}

}  // namespace

absl::Status RemoveTree(const std::string& path) {
  const absl::StatusOr<UniqueFd> top = OpenDirectory(AT_FDCWD, path);
  if (absl::IsNotFound(top.status())) return absl::OkStatus();
  RETURN_IF_ERROR(top.status());
  uint64_t moved = 0;
  RETURN_IF_ERROR(Empty(top->get(), top->get(), moved));
  if (rmdir(path.c_str()) != 0) {
    return ErrnoError(errno, absl::StrCat("remove directory ", path));
  }
  return absl::OkStatus();
}

}  // namespace innkeeper
