#include "agent/host/host_facts.h"

#include <sched.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <vector>

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
namespace {

constexpr size_t kMaxProcFileBytes = 4096;
// Counted after the command name, which may hold spaces and brackets.
constexpr size_t kStartTimeAfterName = 19;

absl::StatusOr<std::string> ReadLine(const std::string& path) {
  ASSIGN_OR_RETURN(std::string text, ReadFile(path, kMaxProcFileBytes));
  return std::string(absl::StripAsciiWhitespace(text));
}

}  // namespace

absl::StatusOr<HostFacts> ReadHostFacts() {
  HostFacts facts;
  absl::StatusOr<std::string> boot_id =
      ReadLine("/proc/sys/kernel/random/boot_id");
  if (!boot_id.ok()) {
    return Error(
               absl::StatusCode::kFailedPrecondition, reason::kSystemError,
               absl::StrCat("the boot id cannot be read (",
                            boot_id.status().message(), "); is /proc mounted?"))
        .Build();
  }
  facts.boot_id = *std::move(boot_id);
  facts.machine_id = ReadLine("/etc/machine-id").value_or("");
  facts.memory_bytes =
      int64_t{sysconf(_SC_PHYS_PAGES)} * int64_t{sysconf(_SC_PAGESIZE)};
  cpu_set_t cpus;
  facts.cpu_count = sched_getaffinity(0, sizeof(cpus), &cpus) == 0
                        ? CPU_COUNT(&cpus)
                        : sysconf(_SC_NPROCESSORS_ONLN);
  return facts;
}

absl::StatusOr<uint64_t> ReadStartTimeTicks(int64_t pid) {
  ASSIGN_OR_RETURN(const std::string stat,
                   ReadLine(absl::StrCat("/proc/", pid, "/stat")));
  const size_t name_end = stat.rfind(')');
  uint64_t ticks = 0;
  if (name_end != std::string::npos && name_end + 2 <= stat.size()) {
    const std::vector<absl::string_view> fields =
        absl::StrSplit(absl::string_view(stat).substr(name_end + 2), ' ');
    if (fields.size() > kStartTimeAfterName &&
        absl::SimpleAtoi(fields[kStartTimeAfterName], &ticks)) {
      return ticks;
    }
  }
  return Error(absl::StatusCode::kInternal, reason::kSystemError,
               absl::StrCat("/proc/", pid, "/stat has an unknown shape"))
      .Build();
}

}  // namespace innkeeper
