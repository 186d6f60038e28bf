// What the launcher was told of one network.
#ifndef INNKEEPER_AGENT_LAUNCHER_NETWORK_CONFIG_H_
#define INNKEEPER_AGENT_LAUNCHER_NETWORK_CONFIG_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace innkeeper {

struct NetworkConfig {
  std::string name;            // [a-z0-9][a-z0-9._-]{0,62}
  std::string bridge;          // The host's device that taps are plugged into.
  std::string namespace_name;  // Of /run/netns; empty: the launcher's own.
  bool isolated = false;  // Ports that are isolated do not reach each other.
  // Guests must say which addresses they have.
  bool declared = false;
  bool create = false;  // Make the bridge where there is none.
  uint32_t mtu = 0;     // Of taps and of a bridge that is made; 0: 1500.
};

inline constexpr size_t kMaxNetworks = 64;

// NAME=BRIDGE[:isolated][:declared][:create][:mtu=N][:netns=NAMESPACE]
// INVALID_ARGUMENT (CONFIG_INVALID) says what is wrong with it.
absl::StatusOr<NetworkConfig> ParseNetwork(absl::string_view text);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_NETWORK_CONFIG_H_
