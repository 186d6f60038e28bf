// Network namespaces that are there before their guests are.
#ifndef INNKEEPER_AGENT_LAUNCHER_NET_NAMESPACES_H_
#define INNKEEPER_AGENT_LAUNCHER_NET_NAMESPACES_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace innkeeper {

// To make one takes longer than all other namespaces of a guest together, some
// 0.5 ms: one is made ahead, while nobody waits. It exists by its descriptor
// only and ends with it. Not thread-safe; for a root process with one thread,
// whose own namespace is left for the time that making one takes.
class NetNamespaces {
 public:
  // A namespace without any interface that is up, which nobody else has or will
  // have, for EnterNetNamespace().
  absl::StatusOr<UniqueFd> Take();

  // Makes one ahead, if there is none. What fails is tried again by Take().
  void MakeAhead();

 private:
  absl::StatusOr<UniqueFd> Make();

  UniqueFd home_;  // This process's own; opened when first needed.
  UniqueFd ahead_;
};

// Moves the calling process, which must have one thread, into `network`.
absl::Status EnterNetNamespace(int network);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_NET_NAMESPACES_H_
