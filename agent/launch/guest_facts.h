// What the kernel says of a guest's processes, as it says it.
#ifndef INNKEEPER_AGENT_LAUNCH_GUEST_FACTS_H_
#define INNKEEPER_AGENT_LAUNCH_GUEST_FACTS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace innkeeper {

// One thing that was read. The launcher takes nothing of it apart: whoever asks
// for it does.
struct GuestFact {
  // "status" is /proc/PID/status, and so on; "host.ns" is of the launcher,
  // "keeper.status" of the keeper, "cgroup.memory.max" a file of the group that
  // the guest is in. guest_inspector.h lists them.
  std::string name;
  int error = 0;     // An errno: why there is no text.
  std::string text;  // At most kMaxFactBytes; longer ones end there.
};

// Of the process that had `pid` and `start_time_ticks` before and after.
struct GuestFacts {
  int64_t pid = 0;
  int64_t keeper_pid = 0;
  uint32_t unix_uid = 0;  // As it was allocated.
  uint32_t unix_gid = 0;
  uint64_t start_time_ticks = 0;
  std::vector<GuestFact> facts;
};

// All together fit into one message.
inline constexpr size_t kMaxFacts = 128;
inline constexpr size_t kMaxFactBytes = size_t{12} * 1024;
inline constexpr size_t kMaxFactsBytes = size_t{56} * 1024;
inline constexpr size_t kMaxFactNameBytes = 64;

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCH_GUEST_FACTS_H_
