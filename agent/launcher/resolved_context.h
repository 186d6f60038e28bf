// A context with the launcher's numbers in the place of names.
#ifndef INNKEEPER_AGENT_LAUNCHER_RESOLVED_CONTEXT_H_
#define INNKEEPER_AGENT_LAUNCHER_RESOLVED_CONTEXT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/launch/context_offer.h"
#include "agent/launch/launch_context.h"
#include "agent/launcher/context_config.h"
#include "agent/launcher/credentials.h"
#include "agent/launcher/rlimits.h"

namespace innkeeper {

struct ResolvedContext {
  // QEMU's. uid and gid are 0 where they are to come from the pool.
  Credentials qemu;
  std::string root;           // A directory; empty: the usual root.
  uint32_t landlock_abi = 0;  // 0: Landlock is not used.
  std::vector<Rlimit> rlimits;
  int nice = 0;
  std::vector<int> cpus;  // None: all.
  std::optional<int> oom_score;
  std::vector<std::string> environment;  // "NAME=value"

  bool has_pool_identity() const { return qemu.uid == 0; }
};

// `context`, which is valid, for a guest of `owner`. FAILED_PRECONDITION
// (CONTEXT_UNAVAILABLE) with every part that `offer`, made of `config`, lacks.
absl::StatusOr<ResolvedContext> ResolveContext(const LaunchContext& context,
                                               absl::string_view owner,
                                               const ContextConfig& config,
                                               const ContextOffer& offer);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_RESOLVED_CONTEXT_H_
