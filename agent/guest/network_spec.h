// What the client wants one network interface of a guest to be.
#ifndef INNKEEPER_AGENT_GUEST_NETWORK_SPEC_H_
#define INNKEEPER_AGENT_GUEST_NETWORK_SPEC_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/net_address.h"

namespace innkeeper {

// The values are stored on disk: never renumbered.
enum class NicModel : uint8_t { kVirtio = 1, kE1000e = 2 };

struct NetworkSpec {
  std::string network;  // "lan"
  // As FormatMac() writes it; empty: one made from the guest's uid.
  std::string mac;
  NicModel model = NicModel::kVirtio;
  int32_t queue_count = 1;  // Pairs.
  // As FormatIp() writes them: the only ones that it may send from. None: any,
  // where the network allows that.
  std::vector<std::string> addresses;

  friend bool operator==(const NetworkSpec& a, const NetworkSpec& b) {
    return a.network == b.network && a.mac == b.mac && a.model == b.model &&
           a.queue_count == b.queue_count && a.addresses == b.addresses;
  }
};

inline constexpr size_t kMaxNetworkSpecs = 8;
inline constexpr int32_t kMaxNicQueues = 8;
inline constexpr int32_t kMaxNicQueuesInAll = 16;
inline constexpr size_t kMaxNicAddresses = 8;

// Whether `id` is [a-z0-9][a-z0-9._-]{0,62}.
bool IsNetworkId(absl::string_view id);

// Tells `add` every fault of `networks`, by field ("networks[1].mac_address")
// and description. `e1000e`: the machine can have such a device.
void FindNetworkFaults(
    const std::vector<NetworkSpec>& networks, bool e1000e,
    const std::function<void(absl::string_view, absl::string_view)>& add);

// The address of interface `index` of the guest `uid` (a UUID) with `network`:
// the one that it asks for, or one that differs between guests.
MacAddress MacOf(const NetworkSpec& network, absl::string_view uid,
                 size_t index);

// "virtio", "e1000e"
absl::string_view ToString(NicModel model);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_GUEST_NETWORK_SPEC_H_
