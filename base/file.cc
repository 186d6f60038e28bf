#include "base/file.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace innkeeper {

absl::StatusOr<std::string> ReadAll(int fd, size_t limit) {
  std::string data;
  char buffer[16384];
  while (true) {
    const ssize_t got = read(fd, buffer, sizeof(buffer));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoError(errno, "read");
    if (got == 0) return data;
    if (data.size() + static_cast<size_t>(got) > limit) {
      return Error(absl::StatusCode::kResourceExhausted,
                   reason::kMessageTooLarge,
                   absl::StrCat("longer than ", limit, " bytes"));
    }
    data.append(buffer, static_cast<size_t>(got));
  }
}

absl::StatusOr<std::string> ReadFile(const std::string& path, size_t limit) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.valid()) return ErrnoError(errno, absl::StrCat("open ", path));
  absl::StatusOr<std::string> data = ReadAll(fd.get(), limit);
  if (!data.ok()) return Annotate(data.status(), path);
  return data;
}

absl::Status WriteAll(int fd, absl::string_view data) {
  while (!data.empty()) {
    const ssize_t written = write(fd, data.data(), data.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return ErrnoError(errno, "write");
    data.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

absl::Status WriteFileAtomically(const std::string& path,
                                 absl::string_view data, mode_t mode) {
  std::string temporary = absl::StrCat(path, ".XXXXXX");
  const UniqueFd fd(mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd.valid()) return ErrnoError(errno, absl::StrCat("create ", temporary));
  absl::Cleanup remove = [&] { unlink(temporary.c_str()); };
  RETURN_IF_ERROR(Annotate(WriteAll(fd.get(), data), temporary));
  if (fchmod(fd.get(), mode) != 0) {
    return ErrnoError(errno, absl::StrCat("chmod ", temporary));
  }
  if (fsync(fd.get()) != 0) {
    return ErrnoError(errno, absl::StrCat("fsync ", temporary));
  }
  if (rename(temporary.c_str(), path.c_str()) != 0) {
    return ErrnoError(errno, absl::StrCat("rename to ", path));
  }
  std::move(remove).Cancel();
  const std::string directory = path.substr(0, path.find_last_of('/') + 1);
  const UniqueFd parent(open(directory.empty() ? "." : directory.c_str(),
                             O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // The file is in place; a directory that cannot be synced is no failure.
  if (parent.valid()) fsync(parent.get());
  return absl::OkStatus();
}

}  // namespace innkeeper
