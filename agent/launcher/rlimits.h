// Resource limits of a guest's processes.
#ifndef INNKEEPER_AGENT_LAUNCHER_RLIMITS_H_
#define INNKEEPER_AGENT_LAUNCHER_RLIMITS_H_

#include <sys/resource.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace innkeeper {

// How much sooner than the host's own processes a guest is killed when the host
// runs out of memory: as if it used 30 % of the host's memory more. So a guest
// goes first, and of several guests still the largest.
inline constexpr int kGuestOomScore = 300;

// A soft and hard limit, other than the usual one.
struct Rlimit {
  __rlimit_resource resource = RLIMIT_NOFILE;
  rlim_t value = 0;
};

// The resource that a LaunchRlimit calls "nofile" and the like; nothing for
// other names.
std::optional<__rlimit_resource> RlimitOf(absl::string_view name);

// The hard limits of the calling process, by those names; INT64_MAX for none.
std::map<std::string, int64_t> HardLimits();

// No core file and no core passed to a program, by which what was in memory
// would get out.
absl::Status ForbidCores();

// Soft and hard limits of every guest's QEMU and keeper: no cores, NOFILE 1024,
// MEMLOCK 8 MiB, MSGQUEUE, NICE and RTPRIO 0, NPROC `processes`, which is left
// as it is if that is 0. A limit that is lower already stays: raising one may
// be forbidden even to root. Where `for_qemu` has more, LimitQemu() needs it:
// LimitKeeper() takes it back.
absl::Status LimitGuest(int64_t processes, const std::vector<Rlimit>& for_qemu);

// Sets the oom score, `score` or, without one, kGuestOomScore unless it is
// higher already; where the launcher has CAP_SYS_RESOURCE the guest cannot
// lower it again.
absl::Status SetOomScore(std::optional<int> score);

// Bounds each file that QEMU writes, so that a broken-out one cannot fill the
// host's disk through its images, and sets `limits`. A write beyond fails with
// EFBIG, for which the signal that would end QEMU is ignored, also after exec.
absl::Status LimitQemu(int64_t file_bytes, const std::vector<Rlimit>& limits);

// Bounds each file that the keeper writes, should it be turned against us, and
// what LimitGuest() left open for QEMU.
absl::Status LimitKeeper();

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_RLIMITS_H_
