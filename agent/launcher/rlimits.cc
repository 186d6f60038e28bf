#include "agent/launcher/rlimits.h"

#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"

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

}  // namespace

absl::Status LimitGuest(int64_t processes) {
  RETURN_IF_ERROR(Lower(RLIMIT_CORE, 0));
  RETURN_IF_ERROR(Lower(RLIMIT_NOFILE, 1024));
  RETURN_IF_ERROR(Lower(RLIMIT_MEMLOCK, 8 << 20));
  RETURN_IF_ERROR(Lower(RLIMIT_MSGQUEUE, 0));
  RETURN_IF_ERROR(Lower(RLIMIT_NICE, 0));
  RETURN_IF_ERROR(Lower(RLIMIT_RTPRIO, 0));
  return Lower(RLIMIT_NPROC, static_cast<rlim_t>(processes));
}

absl::Status LimitKeeper() {
  // More than the keeper's largest log, less than would hurt.
  return Lower(RLIMIT_FSIZE, 16 << 20);
}

}  // namespace innkeeper
