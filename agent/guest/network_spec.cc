#include "agent/guest/network_spec.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/net_address.h"

namespace innkeeper {
namespace {

using Add = std::function<void(absl::string_view, absl::string_view)>;

constexpr size_t kMaxNetworkId = 63;
// Of a UUID's last field the first two digits are left out: its bytes are as
// random as any.
constexpr size_t kUuidTail = 8;

void CheckMac(const NetworkSpec& network, const std::string& field,
              const Add& add) {
  if (network.mac.empty()) return;
  const std::optional<MacAddress> mac = ParseMac(network.mac);
  if (!mac.has_value() || FormatMac(*mac) != network.mac) {
    add(absl::StrCat(field, ".mac_address"),
        "must be six pairs of hex digits, such as 52:54:00:12:34:56");
  } else if (!IsUnicastMac(*mac)) {
    add(absl::StrCat(field, ".mac_address"),
        "must be the address of one interface, not of a group");
  }
}

void CheckAddresses(const NetworkSpec& network, const std::string& field,
                    const Add& add) {
  if (network.addresses.size() > kMaxNicAddresses) {
    add(absl::StrCat(field, ".addresses"),
        absl::StrCat("must be at most ", kMaxNicAddresses, ", not ",
                     network.addresses.size()));
    return;
  }
  for (size_t i = 0; i < network.addresses.size(); ++i) {
    const std::string& address = network.addresses[i];
    const std::string place = absl::StrCat(field, ".addresses[", i, "]");
    const std::optional<std::string> ip = ParseIp(address);
    if (!ip.has_value() || FormatIp(*ip) != address) {
      add(place, "must be an IPv4 or IPv6 address without prefix");
    } else if (!IsUnicastIp(*ip)) {
      add(place, "must be the address of one interface, not of a group");
    } else if (std::count(
                   network.addresses.begin(),
                   network.addresses.begin() + static_cast<std::ptrdiff_t>(i),
                   address) > 0) {
      add(place, "is there already");
    }
  }
}

}  // namespace

bool IsNetworkId(absl::string_view id) {
  if (id.empty() || id.size() > kMaxNetworkId) return false;
  for (const char letter : id) {
    const auto c = static_cast<unsigned char>(letter);
    if (!absl::ascii_islower(c) && !absl::ascii_isdigit(c) && c != '.' &&
        c != '_' && c != '-') {
      return false;
    }
  }
  return absl::ascii_isalnum(static_cast<unsigned char>(id.front()));
}

void FindNetworkFaults(const std::vector<NetworkSpec>& networks, bool e1000e,
                       const Add& add) {
  if (networks.size() > kMaxNetworkSpecs) {
    add("networks", absl::StrCat("must be at most ", kMaxNetworkSpecs, ", not ",
                                 networks.size()));
    return;
  }
  int64_t queues = 0;
  for (size_t i = 0; i < networks.size(); ++i) {
    const NetworkSpec& network = networks[i];
    const std::string field = absl::StrCat("networks[", i, "]");
    if (!IsNetworkId(network.network)) {
      add(absl::StrCat(field, ".network"),
          "must be networks/{network}, of lower-case letters, digits, '_', '.' "
          "and '-', beginning with a letter or digit");
    }
    CheckMac(network, field, add);
    if (network.model != NicModel::kVirtio &&
        network.model != NicModel::kE1000e) {
      add(absl::StrCat(field, ".model"), "must be virtio or e1000e");
    } else if (network.model == NicModel::kE1000e && !e1000e) {
      add(absl::StrCat(field, ".model"), "must be virtio for a microvm");
    }
    if (network.queue_count < 1 || network.queue_count > kMaxNicQueues) {
      add(absl::StrCat(field, ".queue_count"),
          absl::StrCat("must be 1 to ", kMaxNicQueues, ", not ",
                       network.queue_count));
      continue;
    }
    if (network.model == NicModel::kE1000e && network.queue_count != 1) {
      add(absl::StrCat(field, ".queue_count"), "must be 1 for an e1000e");
    }
    queues += network.queue_count;
    CheckAddresses(network, field, add);
  }
  if (queues > kMaxNicQueuesInAll) {
    add("networks", absl::StrCat("must have at most ", kMaxNicQueuesInAll,
                                 " pairs of queues together, not ", queues));
  }
}

MacAddress MacOf(const NetworkSpec& network, absl::string_view uid,
                 size_t index) {
  if (!network.mac.empty()) return ParseMac(network.mac).value_or(MacAddress{});
  const std::string random = absl::HexStringToBytes(
      uid.substr(uid.size() - std::min(uid.size(), kUuidTail)));
  // Locally administered.
  MacAddress mac = {0x52, 0x54};
  std::copy_n(random.begin(), std::min<size_t>(random.size(), 4),
              mac.begin() + 2);
  mac.back() = static_cast<uint8_t>(mac.back() + index);
  return mac;
}

absl::string_view ToString(NicModel model) {
  return model == NicModel::kE1000e ? "e1000e" : "virtio";
}

}  // namespace innkeeper
