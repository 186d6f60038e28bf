#include "agent/launcher/rlimits.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace innkeeper {
namespace {

absl::Status Lower(__rlimit_resource resource, rlim_t value) {
  rlimit limit;
  if (getrlimit(resource, &limit) != 0) return ErrnoError(errno, "getrlimit");
  limit.rlim_max = std::min(limit.rlim_max, value);
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(resource, &limit) != 0) {
    return ErrnoError(errno, absl::StrCat("setrlimit ", int{resource}));
  }
  return absl::OkStatus();
}

absl::Status RaiseOomScore() {
  constexpr char kPath[] = "/proc/self/oom_score_adj";
  ASSIGN_OR_RETURN(const std::string text, ReadFile(kPath, 64));
  int present;
  if (!absl::SimpleAtoi(absl::StripAsciiWhitespace(text), &present)) {
    return ErrnoError(EBADMSG, absl::StrCat("read ", kPath));
  }
  // To lower it may be forbidden.
  if (present >= kGuestOomScore) return absl::OkStatus();
  const UniqueFd fd(open(kPath, O_WRONLY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoError(errno, absl::StrCat("open ", kPath));
  return Annotate(WriteAll(fd.get(), absl::StrCat(kGuestOomScore)), kPath);
}

}  // namespace

absl::Status ForbidCores() {
  // Not 0: a program that core_pattern(5) names is given the core all the same,
  // unless the limit is 1. No core is so small that 1 would do for a file.
  return Lower(RLIMIT_CORE, 1);
}

absl::Status LimitGuest(int64_t processes) {
  RETURN_IF_ERROR(RaiseOomScore());
  RETURN_IF_ERROR(ForbidCores());
  RETURN_IF_ERROR(Lower(RLIMIT_NOFILE, 1024));
  RETURN_IF_ERROR(Lower(RLIMIT_MEMLOCK, 8 << 20));
  RETURN_IF_ERROR(Lower(RLIMIT_MSGQUEUE, 0));
  RETURN_IF_ERROR(Lower(RLIMIT_NICE, 0));
  RETURN_IF_ERROR(Lower(RLIMIT_RTPRIO, 0));
  return Lower(RLIMIT_NPROC, static_cast<rlim_t>(processes));
}

absl::Status LimitQemu(int64_t file_bytes) {
  if (signal(SIGXFSZ, SIG_IGN) == SIG_ERR) {
    return ErrnoError(errno, "ignore SIGXFSZ");
  }
  return Lower(RLIMIT_FSIZE, static_cast<rlim_t>(file_bytes));
}

absl::Status LimitKeeper() {
  // More than the keeper's largest log, less than would hurt.
  return Lower(RLIMIT_FSIZE, 16 << 20);
}

}  // namespace innkeeper
