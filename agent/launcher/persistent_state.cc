#include "agent/launcher/persistent_state.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "agent/launcher/remove_tree.h"
#include "base/error.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace innkeeper {
namespace {

constexpr char kVariables[] = "variables";

// A name is on the disk once its directory is.
absl::Status SyncDirectory(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid() || fsync(fd.get()) != 0) {
    return ErrnoError(errno, absl::StrCat("sync ", path));
  }
  return absl::OkStatus();
}

}  // namespace

std::string PersistentState::PathOf(absl::string_view uid) const {
  return absl::StrCat(directory_, "/", uid);
}

bool PersistentState::Has(absl::string_view uid) const {
  struct stat info;
  return lstat(PathOf(uid).c_str(), &info) == 0;
}

absl::Status PersistentState::Make(absl::string_view uid) {
  const std::string path = PathOf(uid);
  if (mkdir(path.c_str(), 0700) == 0) return SyncDirectory(directory_);
  if (errno == EEXIST) return absl::OkStatus();
  return ErrnoError(errno, absl::StrCat("mkdir ", path));
}

absl::StatusOr<UniqueFd> PersistentState::OpenVariables(
    absl::string_view uid, const std::string& begin_as) {
  const std::string path = absl::StrCat(PathOf(uid), "/", kVariables);
  struct stat info;
  if (lstat(path.c_str(), &info) != 0) {
    if (errno != ENOENT) return ErrnoError(errno, absl::StrCat("stat ", path));
    ASSIGN_OR_RETURN(const std::string content,
                     ReadFile(begin_as, kMaxUefiVariablesBytes));
    RETURN_IF_ERROR(WriteFileAtomically(path, content, 0600));
  }
  UniqueFd fd(open(path.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.valid()) return ErrnoError(errno, absl::StrCat("open ", path));
  return fd;
}

absl::Status PersistentState::Remove(absl::string_view uid) {
  return RemoveTree(PathOf(uid));
}

}  // namespace innkeeper
