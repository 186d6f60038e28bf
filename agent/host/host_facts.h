// What this machine is.
#ifndef INNKEEPER_AGENT_HOST_HOST_FACTS_H_
#define INNKEEPER_AGENT_HOST_HOST_FACTS_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace innkeeper {

struct HostFacts {
  std::string machine_id;  // machine-id(5); empty if the machine has none.
  std::string boot_id;     // /proc/sys/kernel/random/boot_id
  int64_t memory_bytes = 0;
  int64_t cpu_count = 0;  // That this process may use.
};

// Reads them. FAILED_PRECONDITION (SYSTEM_ERROR) if /proc does not say.
absl::StatusOr<HostFacts> ReadHostFacts();

// Field 22 of /proc/`pid`/stat: when the process started, in clock ticks since
// boot. NOT_FOUND if there is no such process.
absl::StatusOr<uint64_t> ReadStartTimeTicks(int64_t pid);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_HOST_HOST_FACTS_H_
