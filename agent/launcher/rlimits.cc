#include "agent/launcher/rlimits.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
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

// Of every guest. Not 0 for cores: a program that core_pattern(5) names is
// given the core all the same, unless the limit is 1. No core is so small that
// 1 would do for a file.
constexpr Rlimit kUsual[] = {{RLIMIT_CORE, 1},          {RLIMIT_NOFILE, 1024},
                             {RLIMIT_MEMLOCK, 8 << 20}, {RLIMIT_MSGQUEUE, 0},
                             {RLIMIT_NICE, 0},          {RLIMIT_RTPRIO, 0}};

constexpr struct {
  absl::string_view name;
  __rlimit_resource resource;
} kNames[] = {{"nofile", RLIMIT_NOFILE},
              {"nproc", RLIMIT_NPROC},
              {"core", RLIMIT_CORE},
              {"memlock", RLIMIT_MEMLOCK},
              {"stack", RLIMIT_STACK},
              {"as", RLIMIT_AS},
              {"fsize", RLIMIT_FSIZE},
              {"data", RLIMIT_DATA},
              {"sigpending", RLIMIT_SIGPENDING},
              {"msgqueue", RLIMIT_MSGQUEUE},
              {"rttime", RLIMIT_RTTIME},
              {"rtprio", RLIMIT_RTPRIO},
              {"nice", RLIMIT_NICE},
              {"locks", RLIMIT_LOCKS},
              {"cpu", RLIMIT_CPU}};

}  // namespace

std::optional<__rlimit_resource> RlimitOf(absl::string_view name) {
  for (const auto& known : kNames) {
    if (known.name == name) return known.resource;
  }
  return std::nullopt;
}

std::map<std::string, int64_t> HardLimits() {
  std::map<std::string, int64_t> limits;
  for (const auto& known : kNames) {
    rlimit limit;
    if (getrlimit(known.resource, &limit) != 0) continue;
    limits[std::string(known.name)] = static_cast<int64_t>(
        std::min(limit.rlim_max, static_cast<rlim_t>(INT64_MAX)));
  }
  return limits;
}

absl::Status ForbidCores() { return Lower(RLIMIT_CORE, 1); }

absl::Status SetOomScore(std::optional<int> score) {
  constexpr char kPath[] = "/proc/self/oom_score_adj";
  ASSIGN_OR_RETURN(const std::string text, ReadFile(kPath, 64));
  int present;
  if (!absl::SimpleAtoi(absl::StripAsciiWhitespace(text), &present)) {
    return ErrnoError(EBADMSG, absl::StrCat("read ", kPath));
  }
  // To lower it may be forbidden.
  const int wanted = score.value_or(std::max(present, kGuestOomScore));
  if (present == wanted) return absl::OkStatus();
  const UniqueFd fd(open(kPath, O_WRONLY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoError(errno, absl::StrCat("open ", kPath));
  return Annotate(WriteAll(fd.get(), absl::StrCat(wanted)), kPath);
}

absl::Status LimitGuest(int64_t processes,
                        const std::vector<Rlimit>& for_qemu) {
  for (const Rlimit& usual : kUsual) {
    rlim_t value = usual.value;
    for (const Rlimit& other : for_qemu) {
      if (other.resource == usual.resource)
        value = std::max(value, other.value);
    }
    RETURN_IF_ERROR(Lower(usual.resource, value));
  }
  if (processes == 0) return absl::OkStatus();
  return Lower(RLIMIT_NPROC, static_cast<rlim_t>(processes));
}

absl::Status LimitQemu(int64_t file_bytes, const std::vector<Rlimit>& limits) {
  if (signal(SIGXFSZ, SIG_IGN) == SIG_ERR) {
    return ErrnoError(errno, "ignore SIGXFSZ");
  }
  RETURN_IF_ERROR(Lower(RLIMIT_FSIZE, static_cast<rlim_t>(file_bytes)));
  for (const Rlimit& limit : limits) {
    RETURN_IF_ERROR(Lower(limit.resource, limit.value));
  }
  return absl::OkStatus();
}

absl::Status LimitKeeper() {
  for (const Rlimit& usual : kUsual) {
    RETURN_IF_ERROR(Lower(usual.resource, usual.value));
  }
  // More than the keeper's largest log, less than would hurt.
  return Lower(RLIMIT_FSIZE, 16 << 20);
}

}  // namespace innkeeper
