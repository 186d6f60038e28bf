// Network namespaces that the administrator made and named: ip-netns(8).
#ifndef INNKEEPER_AGENT_LAUNCHER_NAMED_NETWORK_H_
#define INNKEEPER_AGENT_LAUNCHER_NAMED_NETWORK_H_

#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"

namespace innkeeper {

inline constexpr char kNamedNetworkDir[] = "/run/netns";

// The namespace that is bound at DIRECTORY/NAME, for EnterNetNamespace().
// FAILED_PRECONDITION (CONTEXT_UNAVAILABLE) if there is none, if it is
// something else, or if somebody other than root could have put it there.
absl::StatusOr<UniqueFd> OpenNamedNetwork(
    absl::string_view name, const std::string& directory = kNamedNetworkDir);

// The names of at most `limit` namespaces that OpenNamedNetwork() opens.
std::set<std::string> ListNamedNetworks(
    size_t limit, const std::string& directory = kNamedNetworkDir);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_NAMED_NETWORK_H_
