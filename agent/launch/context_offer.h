// What a host can give of a context, as its launcher tells the agent.
#ifndef INNKEEPER_AGENT_LAUNCH_CONTEXT_OFFER_H_
#define INNKEEPER_AGENT_LAUNCH_CONTEXT_OFFER_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "agent/launch/launch_context.h"

namespace innkeeper {

// What the administrator allows (the launcher's flags) and the kernel has. A
// default one offers nothing but a launch without a context.
struct ContextOffer {
  std::set<std::string> identities;
  std::set<std::string> owners;  // Those with an identity: "user/ada".
  std::set<std::string> groups;
  std::set<std::string> roots;
  std::set<std::string> capabilities;
  // Named network namespaces. Nothing: not known, only a launch will tell.
  std::optional<std::set<std::string>> networks;
  std::map<std::string, int64_t> rlimits;  // The highest that can be given.
  int32_t least_nice = 0;
  int32_t least_oom_score_adj = 0;
  std::string cpus;           // Those that guests may run on: "0-3".
  uint32_t landlock_abi = 0;  // 0: none.
  bool selinux = false;
  bool apparmor = false;
  bool user_namespaces = false;
  bool time_namespaces = false;
  bool io_limits = false;
};

// Of each list in an offer.
inline constexpr size_t kMaxOffered = 64;

// Every part of `context` that `offer` does not hold, for a guest of `owner`.
// `context` has no fault of its own.
std::vector<ContextFault> FindUnavailableParts(const LaunchContext& context,
                                               absl::string_view owner,
                                               const ContextOffer& offer);

// FAILED_PRECONDITION (CONTEXT_UNAVAILABLE), with a precondition violation for
// each of `parts`, whose subject is "context.FIELD". OK if there are none.
absl::Status ContextUnavailable(const std::vector<ContextFault>& parts);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCH_CONTEXT_OFFER_H_
