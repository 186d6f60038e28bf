#include "base/failpoint.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

// Bounds of the section, made by the linker where it is not empty.
extern "C" {
extern const char* const __start_innkeeper_failpoints[]
    __attribute__((weak, visibility("hidden")));
extern const char* const __stop_innkeeper_failpoints[]
    __attribute__((weak, visibility("hidden")));
}

namespace innkeeper {

std::vector<absl::string_view> ListFailpoints() {
  std::vector<absl::string_view> names;
  for (const char* const* name = __start_innkeeper_failpoints;
       name != __stop_innkeeper_failpoints; ++name) {
    if (*name != nullptr) names.push_back(*name);
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

namespace failpoint_internal {
namespace {

struct Armed {
  std::string name;
  int count = 0;
  std::string log;
};

Armed ReadEnvironment() {
  Armed armed;
  const char* wanted = getenv("INNKEEPER_FAILPOINT");
  if (wanted == nullptr) return armed;
  const std::pair<std::string, std::string> parts =
      absl::StrSplit(wanted, absl::MaxSplits('#', 1));
  armed.name = parts.first;
  if (!absl::SimpleAtoi(parts.second, &armed.count)) armed.count = 1;
  if (const char* log = getenv("INNKEEPER_FAILPOINT_LOG")) armed.log = log;
  return armed;
}

}  // namespace

void Reach(const char* name) {
  static const Armed* const armed = new Armed(ReadEnvironment());
  static std::atomic<int> passed{0};
  if (armed->name != name || ++passed != armed->count) return;
  if (!armed->log.empty()) {
    const int fd = open(armed->log.c_str(),
                        O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    const std::string line = absl::StrCat(name, "\n");
    [[maybe_unused]] const ssize_t written =
        write(fd, line.data(), line.size());
  }
  kill(getpid(), SIGKILL);
}

}  // namespace failpoint_internal
}  // namespace innkeeper
