// The control groups of guests, in every hierarchy that the host has mounted.
#ifndef INNKEEPER_AGENT_LAUNCHER_CGROUP_H_
#define INNKEEPER_AGENT_LAUNCHER_CGROUP_H_

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/launch/launch_plan.h"
#include "base/unique_fd.h"

namespace innkeeper {

// Where the hierarchies are. A hybrid host has both kinds: the limits are then
// set where the controller is, and version 2 is used to kill.
struct CgroupLayout {
  std::string unified;                    // Version 2; "" if not mounted.
  std::map<std::string, std::string> v1;  // Controller to mount point.
};

// What the text of /proc/self/mountinfo says.
CgroupLayout ParseCgroupMounts(absl::string_view mountinfo);

// Moves the calling process, which must have one thread, into a version 1 group
// that Cgroups::OpenV1() opened. A process that is moved by another takes a
// lock of the whole kernel, and waits for a grace period of some 10 ms to get
// it; one that moves itself does not (Linux 5.15 and later).
absl::Status EnterCgroup(int group);

// Guest X's group is PARENT/X in each hierarchy. Not thread-safe. Every method
// but Kill and Remove returns at once; those wait for processes to die, at most
// as long as told.
class Cgroups {
 public:
  // `parent` is relative to each hierarchy's mount point.
  Cgroups(CgroupLayout layout, std::string parent);

  // Makes the parent groups. FAILED_PRECONDITION (CONFIG_INVALID) if cpu,
  // memory or pids can be limited nowhere: no guest may run without limits.
  absl::Status Prepare();
  // Removes the parent groups if no guest is in them.
  void RemoveParents();

  // Makes `guest`'s groups, with `limits`. Groups that exist are an error.
  absl::Status Make(absl::string_view guest, const GuestLimits& limits);
  // For CLONE_INTO_CGROUP; an invalid descriptor if there is no version 2.
  absl::StatusOr<UniqueFd> OpenUnified(absl::string_view guest) const;
  // The groups of version 1, for EnterCgroup(); none if there are none.
  absl::StatusOr<std::vector<UniqueFd>> OpenV1(absl::string_view guest) const;
  // Kills every process of `guest`, as often as needed. OK if there is none.
  // DEADLINE_EXCEEDED (GUEST_STOP_TIMED_OUT) if one outlives `patience`.
  absl::Status Kill(absl::string_view guest, absl::Duration patience);
  // Removes the groups, which must be empty. OK if there are none.
  absl::Status Remove(absl::string_view guest, absl::Duration patience);
  // The pids in `guest`'s group, unsorted.
  std::vector<pid_t> Members(absl::string_view guest) const;
  // Every child of a parent group, whoever made it.
  std::vector<std::string> List() const;

 private:
  std::string PathIn(absl::string_view mount, absl::string_view guest) const;
  // The hierarchy that tells which processes a guest has.
  std::string Authority() const;
  std::vector<std::string> Mounts() const;
  bool UnifiedHas(absl::string_view controller) const;
  absl::Status Limit(absl::string_view guest, const GuestLimits& limits);
  void KillOnce(absl::string_view guest);

  const CgroupLayout layout_;
  const std::string parent_;
  std::vector<std::string> unified_controllers_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_CGROUP_H_
