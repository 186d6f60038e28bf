#include "agent/launcher/small_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cerrno>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/error.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace innkeeper {

absl::Status ReplaceFile(const std::string& path, absl::string_view data,
                         mode_t mode) {
  const std::string temporary = absl::StrCat(path, ".new");
  const UniqueFd fd(open(temporary.c_str(),
                         O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
                         mode));
  if (!fd.valid()) return ErrnoError(errno, absl::StrCat("create ", temporary));
  RETURN_IF_ERROR(Annotate(WriteAll(fd.get(), data), temporary));
  if (fchmod(fd.get(), mode) != 0) {
    return ErrnoError(errno, absl::StrCat("chmod ", temporary));
  }
  if (rename(temporary.c_str(), path.c_str()) != 0) {
    return ErrnoError(errno, absl::StrCat("rename to ", path));
  }
  return absl::OkStatus();
}

}  // namespace innkeeper
