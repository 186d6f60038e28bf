#include "agent/driver/qemu/exit_record.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <limits>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/guest/guest_record.h"
#include "base/error.h"
#include "base/file.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"
#include "nlohmann/json.hpp"

namespace innkeeper {
namespace {

constexpr size_t kMaxRecordBytes = 4096;
constexpr off_t kMaxErrorTextBytes = 4096;

absl::Status Malformed() {
  return Error(absl::StatusCode::kDataLoss, reason::kInternal,
               "the exit record is not one that the keeper writes");
}

// The log directory is the keeper's, and a keeper may have been turned: what it
// put there is a plain file of its own, or nothing.
UniqueFd OpenLog(const std::string& guest_directory, const char* name,
                 struct stat* info) {
  const std::string path = absl::StrCat(guest_directory, "/log/", name);
  UniqueFd fd(
      open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd.valid()) return fd;
  if (fstat(fd.get(), info) != 0 || !S_ISREG(info->st_mode) ||
      info->st_nlink != 1) {
    fd.reset();
    errno = EINVAL;
  }
  return fd;
}

}  // namespace

absl::StatusOr<GuestExit> ParseExitRecord(absl::string_view bytes) {
  const nlohmann::json json = nlohmann::json::parse(
      bytes.begin(), bytes.end(), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return Malformed();
  const auto kind = json.find("kind");
  const auto value = json.find("value");
  const auto time = json.find("time_unix_ms");
  if (kind == json.end() || !kind->is_string() || value == json.end() ||
      !value->is_number_integer() || time == json.end() ||
      !time->is_number_integer()) {
    return Malformed();
  }
  GuestExit exit;
  if (*kind == "exited") {
    exit.kind = ExitKind::kExited;
  } else if (*kind == "signaled") {
    exit.kind = ExitKind::kSignaled;
  } else {
    return Malformed();
  }
  const int64_t number = value->get<int64_t>();
  if (number < 0 || number > std::numeric_limits<int32_t>::max()) {
    return Malformed();
  }
  exit.value = static_cast<int32_t>(number);
  exit.time = absl::FromUnixMillis(time->get<int64_t>());
  return exit;
}

absl::StatusOr<GuestExit> ReadExitRecord(const std::string& guest_directory) {
  struct stat info;
  const UniqueFd fd = OpenLog(guest_directory, "exit", &info);
  if (!fd.valid()) return ErrnoError(errno, "open the exit record");
  ASSIGN_OR_RETURN(const std::string bytes, ReadAll(fd.get(), kMaxRecordBytes));
  return ParseExitRecord(bytes);
}

std::string ReadErrorText(const std::string& guest_directory) {
  struct stat info;
  const UniqueFd fd = OpenLog(guest_directory, "stderr.log", &info);
  if (!fd.valid()) return "";
  const off_t start = std::max<off_t>(0, info.st_size - kMaxErrorTextBytes);
  if (lseek(fd.get(), start, SEEK_SET) != start) return "";
  std::string text(kMaxErrorTextBytes, '\0');
  const ssize_t got = read(fd.get(), text.data(), text.size());
  text.resize(got > 0 ? static_cast<size_t>(got) : 0);
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) {
    text.pop_back();
  }
  return text;
}

}  // namespace innkeeper
