// The control groups of guests, in every hierarchy that the host has mounted.
#ifndef INNKEEPER_AGENT_LAUNCHER_CGROUP_H_
#define INNKEEPER_AGENT_LAUNCHER_CGROUP_H_

#include <sys/types.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/launch/launch_context.h"
#include "agent/launch/launch_plan.h"
#include "base/unique_fd.h"

namespace innkeeper {

// Where the hierarchies are. A hybrid host has both kinds: the limits are then
// set where the controller is, and version 2 is used to kill.
struct CgroupLayout {
  std::string unified;                    // Version 2; "" if not mounted.
  std::map<std::string, std::string> v1;  // Controller to mount point.
  // Version 1's hierarchy for I/O; "" if not mounted. A guest is in it only
  // where its I/O is limited: to enter each costs.
  std::string blkio;
};

// What the text of /proc/self/mountinfo says.
CgroupLayout ParseCgroupMounts(absl::string_view mountinfo);

// Moves the calling process, which must have one thread, into a version 1 group
// that Cgroups::OpenV1() opened. A process that is moved by another takes a
// lock of the whole kernel, and waits for a grace period of some 10 ms to get
// it; one that moves itself does not (Linux 5.15 and later).
absl::Status EnterCgroup(int group);

// Whether `context` limits I/O in any way.
bool HasIoLimit(const LaunchCgroup& context);

// The group, below the parent, of a guest: its id or, with a slice,
// SLICE.slice/ID. No id has a dot, so that the two never meet.
std::string GroupOf(absl::string_view slice, absl::string_view guest);

// Group X is PARENT/X in each hierarchy. Not thread-safe. Every method
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

  // Makes a guest's groups, with `limits` and the weight of `context`, and the
  // slice that they are in. Groups that exist are an error.
  absl::Status Make(absl::string_view group, const GuestLimits& limits,
                    const LaunchCgroup& context = {});
  // Sets the I/O limits of `context`, if it has any, for each of `devices`.
  absl::Status LimitIo(absl::string_view group, const LaunchCgroup& context,
                       const std::set<dev_t>& devices);
  // Whether a hierarchy can.
  bool CanLimitIo() const;
  // For CLONE_INTO_CGROUP; an invalid descriptor if there is no version 2.
  absl::StatusOr<UniqueFd> OpenUnified(absl::string_view group) const;
  // The groups of version 1, for EnterCgroup(); none if there are none.
  absl::StatusOr<std::vector<UniqueFd>> OpenV1(absl::string_view group) const;
  // Kills every process of `group`, as often as needed. OK if there is none.
  // DEADLINE_EXCEEDED (GUEST_STOP_TIMED_OUT) if one outlives `patience`.
  absl::Status Kill(absl::string_view group, absl::Duration patience);
  // Removes the groups, which must be empty, and their slice once nothing is in
  // it. OK if there are none.
  absl::Status Remove(absl::string_view group, absl::Duration patience);
  // The pids in `group`, unsorted.
  std::vector<pid_t> Members(absl::string_view group) const;
  // The group that `guest` has, in whatever slice; its id if it has none.
  std::string Find(absl::string_view guest) const;
  // Every child of a parent group that may be a guest's, whoever made it; not
  // what is in slices.
  std::vector<std::string> List() const;

 private:
  std::string PathIn(absl::string_view mount, absl::string_view group) const;
  // The hierarchy that tells which processes a guest has.
  std::string Authority() const;
  std::vector<std::string> Mounts() const;
  std::vector<std::string> AllMounts() const;  // blkio's, too.
  // Lets what is below the version 2 group `path` have its controllers.
  absl::Status HandDown(const std::string& path);
  bool UnifiedHas(absl::string_view controller) const;
  absl::Status Limit(absl::string_view group, const GuestLimits& limits);
  absl::Status Weigh(absl::string_view group, int32_t weight);
  absl::Status MakeSlice(absl::string_view group);
  void KillOnce(absl::string_view group);

  const CgroupLayout layout_;
  const std::string parent_;
  std::vector<std::string> unified_controllers_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_CGROUP_H_
