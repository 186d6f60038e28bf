#include "agent/launcher/net_namespaces.h"

#include <fcntl.h>
#include <sched.h>

#include <cerrno>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/error.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace innkeeper {
namespace {

absl::StatusOr<UniqueFd> OpenPresent() {
  UniqueFd fd(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoError(errno, "open /proc/self/ns/net");
  return fd;
}

}  // namespace

absl::StatusOr<UniqueFd> NetNamespaces::Make() {
  if (!home_.valid()) {
    ASSIGN_OR_RETURN(home_, OpenPresent());
  }
  if (unshare(CLONE_NEWNET) != 0) {
    return ErrnoError(errno, "make a network namespace");
  }
  absl::StatusOr<UniqueFd> made = OpenPresent();
  // If there were no way back, the namespace would be the launcher's as well as
  // the guest's: nobody gets it.
  RETURN_IF_ERROR(EnterNetNamespace(home_.get()));
  return made;
}

absl::StatusOr<UniqueFd> NetNamespaces::Take() {
  if (ahead_.valid()) return std::move(ahead_);
  return Make();
}

void NetNamespaces::MakeAhead() {
  if (ahead_.valid()) return;
  absl::StatusOr<UniqueFd> made = Make();
  if (made.ok()) {
    ahead_ = *std::move(made);
  } else {
    LogWarning("network.not_made", {{"error", made.status().message()}});
  }
}

absl::Status EnterNetNamespace(int network) {
  if (setns(network, CLONE_NEWNET) != 0) {
    return ErrnoError(errno, "enter a network namespace");
  }
  return absl::OkStatus();
}

}  // namespace innkeeper
