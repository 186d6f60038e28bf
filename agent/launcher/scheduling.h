// On which processors a guest runs, and how soon.
#ifndef INNKEEPER_AGENT_LAUNCHER_SCHEDULING_H_
#define INNKEEPER_AGENT_LAUNCHER_SCHEDULING_H_

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace innkeeper {

// The calling process's processors as in cpuset(7): "0-3,6".
std::string OwnCpus();

// Of the calling process and what it makes later: nice(2), and processors, of
// OwnCpus(); all if `cpus` is empty.
absl::Status Schedule(int nice, const std::vector<int>& cpus);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_SCHEDULING_H_
