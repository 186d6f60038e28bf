#include "auth/audit_log.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "auth/audit_line.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace innkeeper {
namespace {

constexpr size_t kMaxText = 1024;
// Eleven texts of 1 KiB, each byte escaped to six, and the names.
constexpr int64_t kMaxLine = int64_t{128} * 1024;

absl::Status Broken(const std::string& path, int64_t line,
                    absl::string_view why) {
  return Error(absl::StatusCode::kDataLoss, reason::kInternal,
               absl::StrCat("the audit log '", path, "' is broken at line ",
                            line, ": ", why,
                            "; keep the file and find out who changed it"))
      .With("path", path)
      .With("line", absl::StrCat(line));
}

std::string Cut(const std::string& text) { return text.substr(0, kMaxText); }

std::string Format(const AuditRecord& record, const AuditHead& before,
                   absl::Time now) {
  nlohmann::ordered_json json;
  json["time"] =
      absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", now, absl::UTCTimeZone());
  json["sequence"] = before.sequence + 1;
  json["caller"] = Cut(record.caller);
  json["delegate"] = Cut(record.delegate);
  json["address"] = Cut(record.address);
  json["method"] = Cut(record.method);
  json["permission"] = Cut(record.permission);
  json["resource"] = Cut(record.resource);
  json["decision"] = record.allowed ? "allowed" : "refused";
  json["code"] = Cut(record.code);
  json["reason"] = Cut(record.reason);
  json["request_id"] = Cut(record.request_id);
  json["duration_us"] = absl::ToInt64Microseconds(record.duration);
  json["previous"] = before.hash;
  // In ASCII, with what is not UTF-8 replaced: a line is a line for all tools.
  return SealAuditLine(json.dump(/*indent=*/-1, ' ', /*ensure_ascii=*/true,
                                 nlohmann::json::error_handler_t::replace));
}

absl::StatusOr<UniqueFd> OpenAndLock(const std::string& path) {
  UniqueFd fd(
      open(path.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600));
  if (!fd.valid()) {
    return ErrnoError(
        errno, absl::StrCat("the audit log '", path, "' cannot be opened"));
  }
  if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    return Error(absl::StatusCode::kFailedPrecondition, reason::kConfigInvalid,
                 absl::StrCat("the audit log '", path,
                              "' is in use by another process; give each its "
                              "own path"))
        .With("path", path)
        .Build();
  }
  return fd;
}

// The last line of `fd`, which ends at `*size`, after what a crash left behind
// it is cut off. Empty: there is none.
absl::StatusOr<std::string> LastLine(int fd, int64_t* size) {
  const int64_t from = std::max<int64_t>(0, *size - 2 * kMaxLine);
  std::string tail(static_cast<size_t>(*size - from), '\0');
  size_t have = 0;
  while (have < tail.size()) {
    const ssize_t got = pread(fd, &tail[have], tail.size() - have,
                              from + static_cast<int64_t>(have));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return ErrnoError(errno, "the audit log cannot be read");
    have += static_cast<size_t>(got);
  }
  const size_t end = tail.rfind('\n');
  const size_t keep = end == std::string::npos ? 0 : end + 1;
  if (keep < tail.size()) {
    *size = from + static_cast<int64_t>(keep);
    if (ftruncate(fd, *size) != 0) {
      return ErrnoError(errno, "the audit log cannot be repaired");
    }
    tail.resize(keep);
  }
  if (tail.empty()) return tail;
  tail.pop_back();
  const size_t begin = tail.rfind('\n');
  return begin == std::string::npos ? tail : tail.substr(begin + 1);
}

// The head that the file at `path` ends with; an empty head if it is absent.
absl::StatusOr<AuditHead> HeadOf(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!fd.valid() && errno == ENOENT) return AuditHead{};
  struct stat file = {};
  if (!fd.valid() || fstat(fd.get(), &file) != 0) {
    return ErrnoError(errno, absl::StrCat("'", path, "' cannot be read"));
  }
  int64_t size = file.st_size;
  ASSIGN_OR_RETURN(const std::string last, LastLine(fd.get(), &size));
  if (last.empty()) return AuditHead{};
  const absl::StatusOr<AuditLine> line = ParseAuditLine(last);
  if (!line.ok()) {
    return Annotate(line.status(),
                    absl::StrCat("the last line of '", path, "'"));
  }
  return AuditHead{line->sequence, line->hash};
}

}  // namespace

absl::StatusOr<std::unique_ptr<AuditLog>> AuditLog::Open(
    AuditLogOptions options) {
  ASSIGN_OR_RETURN(UniqueFd fd, OpenAndLock(options.path));
  ASSIGN_OR_RETURN(AuditHead head, HeadOf(options.path));
  // Empty after a rotation that was cut short: go on behind the last file.
  if (head.sequence == 0) {
    ASSIGN_OR_RETURN(head, HeadOf(options.path + ".1"));
  }
  struct stat file = {};
  if (fstat(fd.get(), &file) != 0) {
    return ErrnoError(errno, "the audit log cannot be read");
  }
  return std::unique_ptr<AuditLog>(new AuditLog(
      std::move(options), std::move(fd), file.st_size, std::move(head)));
}

absl::Status AuditLog::Append(const AuditRecord& record) {
  const absl::Time now = options_.clock->Now();
  absl::MutexLock lock(&mutex_);
  std::string line = Format(record, head_, now);
  const std::string hash(line.substr(line.size() - 66, 64));
  line.push_back('\n');
  const int64_t length = static_cast<int64_t>(line.size());
  if (size_ > 0 && size_ + length > options_.max_bytes) {
    RETURN_IF_ERROR(Rotate());
  }
  const absl::Status written = WriteAll(fd_->get(), line);
  if (!written.ok()) {
    // Half a line would break the chain for the next one.
    if (ftruncate(fd_->get(), size_) != 0) {
      LogError("audit.repair.failed", {{"path", options_.path}});
    }
    return Annotate(written, "the audit log");
  }
  size_ += length;
  ++head_.sequence;
  head_.hash = hash;
  return absl::OkStatus();
}

absl::Status AuditLog::Sync() {
  std::shared_ptr<UniqueFd> fd;
  {
    absl::MutexLock lock(&mutex_);
    fd = fd_;
  }
  if (fdatasync(fd->get()) != 0) {
    return ErrnoError(errno, "the audit log cannot be synced");
  }
  return absl::OkStatus();
}

AuditHead AuditLog::head() const {
  absl::MutexLock lock(&mutex_);
  return head_;
}

absl::Status AuditLog::Rotate() {
  // A Sync after this one syncs the new file only.
  if (fdatasync(fd_->get()) != 0) {
    return ErrnoError(errno, "the audit log cannot be synced");
  }
  const auto name = [&](int n) {
    return n == 0 ? options_.path : absl::StrCat(options_.path, ".", n);
  };
  unlink(name(options_.max_files).c_str());
  for (int n = options_.max_files - 1; n >= 0; --n) {
    if (rename(name(n).c_str(), name(n + 1).c_str()) != 0 && errno != ENOENT) {
      return ErrnoError(errno, "the audit log cannot be rotated");
    }
  }
  ASSIGN_OR_RETURN(UniqueFd fd, OpenAndLock(options_.path));
  fd_ = std::make_shared<UniqueFd>(std::move(fd));
  size_ = 0;
  return absl::OkStatus();
}

absl::StatusOr<AuditHead> VerifyAuditLog(const std::string& path) {
  int oldest = 0;
  while (access(absl::StrCat(path, ".", oldest + 1).c_str(), F_OK) == 0) {
    ++oldest;
  }
  AuditHead head;
  bool first = true;
  for (int n = oldest; n >= 0; --n) {
    const std::string name = n == 0 ? path : absl::StrCat(path, ".", n);
    std::ifstream file(name);
    if (!file) {
      return Error(absl::StatusCode::kNotFound, reason::kConfigInvalid,
                   absl::StrCat("there is no audit log '", name, "'"))
          .With("path", name)
          .Build();
    }
    int64_t number = 0;
    for (std::string text; std::getline(file, text);) {
      ++number;
      const absl::StatusOr<AuditLine> line = ParseAuditLine(text);
      if (!line.ok()) return Broken(name, number, line.status().message());
      // Only the oldest file may begin in the middle, and only if older ones
      // were deleted by rotation.
      const bool follows =
          line->sequence == head.sequence + 1 && line->previous == head.hash;
      if (!follows && !(first && oldest > 0)) {
        return Broken(name, number, "records before it are missing or moved");
      }
      first = false;
      head = AuditHead{line->sequence, line->hash};
    }
  }
  return head;
}

}  // namespace innkeeper
