// Devices of the host's network: bridges, and taps that are plugged into them.
#ifndef INNKEEPER_AGENT_LAUNCHER_BRIDGE_LINK_H_
#define INNKEEPER_AGENT_LAUNCHER_BRIDGE_LINK_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/launcher/netlink.h"
#include "base/net_address.h"
#include "base/unique_fd.h"

namespace innkeeper {

// Each of these asks a NETLINK_ROUTE socket and works in the namespace that it
// was opened in.

// The index of the bridge `name`. NOT_FOUND (SYSTEM_ERROR) if there is no such
// device, FAILED_PRECONDITION (SYSTEM_ERROR) if it is something else.
absl::StatusOr<int> FindBridge(Netlink& route, const std::string& name);

// Makes a bridge and sets it up, with a MAC address that stays the same
// whatever is plugged into it. `mtu` 0: the kernel's choice.
absl::Status MakeBridge(Netlink& route, const std::string& name, uint32_t mtu);

struct BridgePort {
  std::string device;
  int bridge = 0;         // Its index.
  MacAddress guest = {};  // The host's end gets one like it.
  bool isolated = false;
  uint32_t mtu = 0;  // 0: the kernel's choice.
};

// Plugs `port.device` into its bridge and sets it up, in this order: no frame
// passes before it is isolated. The device speaks no IPv6 of its own, and a
// guest that takes itself for a bridge loses its port.
absl::Status PlugIn(Netlink& route, const BridgePort& port);

// OK if there is no such device.
absl::Status DeleteLink(Netlink& route, const std::string& name);

// Makes a tap `device` in the namespace of the calling process, for frames
// behind a virtio-net header, and returns its `queues` queues. It is gone when
// the last of them is closed. ALREADY_EXISTS if there is such a device.
absl::StatusOr<std::vector<UniqueFd>> OpenTap(const std::string& device,
                                              int queues);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_BRIDGE_LINK_H_
