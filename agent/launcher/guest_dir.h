// The directory in which a guest's sockets, manifest and logs are.
#ifndef INNKEEPER_AGENT_LAUNCHER_GUEST_DIR_H_
#define INNKEEPER_AGENT_LAUNCHER_GUEST_DIR_H_

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/launch/launch_plan.h"
#include "base/unique_fd.h"

namespace innkeeper {

// What a new guest's processes need of its directory.
struct GuestDirFds {
  // Bound, not listening. Invalid where the plan has no such descriptor.
  UniqueFd qmp;
  UniqueFd break_glass;
  UniqueFd console;
  // The log directory as a mount of its own that is part of no file system
  // tree: from it, ".." leads nowhere.
  UniqueFd log;
};

// Guest directories below one directory, GUESTS/ID/. They and the sockets are
// root's and readable to the agent's group; only log/ is the keeper's. Not
// thread-safe.
class GuestDirs {
 public:
  GuestDirs(std::string directory, gid_t agent_gid)
      : directory_(std::move(directory)), agent_gid_(agent_gid) {}

  // ALREADY_EXISTS if there is one.
  absl::StatusOr<GuestDirFds> Make(const LaunchPlan& plan, uid_t keeper);
  // Everything in `guest`'s directory, without following a link. OK if absent.
  // No process of the guest may live.
  absl::Status Remove(absl::string_view guest);
  absl::StatusOr<std::string> ReadManifest(absl::string_view guest) const;
  // Every id that has a directory.
  std::vector<std::string> List() const;

 private:
  std::string PathOf(absl::string_view guest) const;

  const std::string directory_;
  const gid_t agent_gid_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_GUEST_DIR_H_
