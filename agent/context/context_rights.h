// Who may choose which part of a guest's context at its launch.
#ifndef INNKEEPER_AGENT_CONTEXT_CONTEXT_RIGHTS_H_
#define INNKEEPER_AGENT_CONTEXT_CONTEXT_RIGHTS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "agent/context/context_spec.h"

namespace innkeeper {

// What a guest has where its context says nothing.
struct ContextDefaults {
  int64_t cpu_millis = 0;
  int64_t memory_overhead_bytes = 0;
  int32_t pid_count = 0;
};

inline constexpr int64_t kDefaultOverheadBytes = int64_t{512} << 20;
// QEMU's threads beyond one for each vCPU, and the keeper.
inline constexpr int32_t kDefaultExtraPids = 64;
inline constexpr int32_t kDefaultCpuWeight = 100;
inline constexpr int32_t kDefaultOomScoreAdj = 300;

ContextDefaults DefaultsOf(int32_t vcpu_count);

// A part that only an administrator of the host may choose.
struct RefusedPart {
  std::string field;  // A path in ContextSpec: "cgroup.cpu_millis".
  std::string why;
};

// Those parts of `parts` that somebody may not put on top of `base` who does
// not administer the host: all but those that leave the guest with less than
// `base` and the defaults give it. These are its own (NEW) namespaces, lower
// limits of the control group and of resources, a higher nice value and oom
// score, fewer processors, and a Landlock that is required.
//
// `base` is what the launch names, which its caller may use as it is.
std::vector<RefusedPart> FindRefusedParts(const ContextSpec& base,
                                          const ContextSpec& parts,
                                          const ContextDefaults& defaults);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_CONTEXT_CONTEXT_RIGHTS_H_
