// What /proc says of a process.
#ifndef INNKEEPER_AGENT_LAUNCHER_PROC_H_
#define INNKEEPER_AGENT_LAUNCHER_PROC_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/launcher/protocol.h"

namespace innkeeper {

struct ProcStat {
  char state = '?';
  uint64_t start_time_ticks = 0;
};

// The text of /proc/PID/stat; the name in it may hold anything.
absl::StatusOr<ProcStat> ParseProcStat(absl::string_view text);

// `process` is a pid or "self". NOT_FOUND if there is no such process.
absl::StatusOr<ProcStat> ReadProcStat(absl::string_view process);

// Whether the process that had `pid` and `start_time_ticks` runs still; a
// zombie does not.
bool IsRunning(int64_t pid, uint64_t start_time_ticks);

// NOT_FOUND (SYSTEM_ERROR) if there is no such process.
absl::StatusOr<InspectReply> Inspect(int64_t pid);

// Names this boot of the kernel; changes when the host restarts.
absl::StatusOr<std::string> BootId();

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_PROC_H_
