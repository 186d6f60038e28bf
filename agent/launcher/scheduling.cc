#include "agent/launcher/scheduling.h"

#include <sched.h>
#include <sys/resource.h>

#include <cerrno>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"

namespace innkeeper {

std::string OwnCpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::string list;
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return list;
  for (int first = 0; first < CPU_SETSIZE; ++first) {
    if (!CPU_ISSET(first, &set)) continue;
    int last = first;
    while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, &set)) ++last;
    absl::StrAppend(&list, list.empty() ? "" : ",", first);
    if (last > first) absl::StrAppend(&list, "-", last);
    first = last;
  }
  return list;
}

absl::Status Schedule(int nice, const std::vector<int>& cpus) {
  if (setpriority(PRIO_PROCESS, 0, nice) != 0) {
    return ErrnoError(errno, absl::StrCat("set nice to ", nice));
  }
  if (cpus.empty()) return absl::OkStatus();
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int cpu : cpus) {
    if (cpu >= 0 && cpu < CPU_SETSIZE) CPU_SET(cpu, &set);
  }
  if (sched_setaffinity(0, sizeof(set), &set) != 0) {
    return ErrnoError(errno, "set the affinity");
  }
  return absl::OkStatus();
}

}  // namespace innkeeper
