#include "agent/launcher/block_device.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "base/error.h"
#include "base/file.h"
#include "base/reason.h"
#include "base/status_macros.h"

namespace innkeeper {

absl::StatusOr<dev_t> BlockDeviceOf(int fd) {
  struct stat info;
  if (fstat(fd, &info) != 0) return ErrnoError(errno, "fstat");
  const dev_t device = S_ISBLK(info.st_mode) ? info.st_rdev : info.st_dev;
  const std::string path =
      absl::StrCat("/sys/dev/block/", major(device), ":", minor(device));
  if (access(path.c_str(), F_OK) != 0) {
    return Error(absl::StatusCode::kFailedPrecondition,
                 reason::kContextUnavailable,
                 absl::StrCat("cgroup.io: a disk of the guest is on no block "
                              "device of this host (",
                              major(device), ":", minor(device), ")"));
  }
  if (access(absl::StrCat(path, "/partition").c_str(), F_OK) != 0) {
    return device;
  }
  ASSIGN_OR_RETURN(const std::string text,
                   ReadFile(absl::StrCat(path, "/../dev"), 64));
  const std::pair<absl::string_view, absl::string_view> numbers =
      absl::StrSplit(absl::StripAsciiWhitespace(text), ':');
  unsigned disk_major;
  unsigned disk_minor;
  if (!absl::SimpleAtoi(numbers.first, &disk_major) ||
      !absl::SimpleAtoi(numbers.second, &disk_minor)) {
    return ErrnoError(EBADMSG, absl::StrCat("read ", path, "/../dev"));
  }
  return makedev(disk_major, disk_minor);
}

}  // namespace innkeeper
