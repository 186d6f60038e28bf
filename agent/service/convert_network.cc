#include "agent/service/convert_network.h"

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "base/net_address.h"

namespace innkeeper {
namespace {

using NetworkInterface = v1::GuestSpec::NetworkInterface;

constexpr char kPrefix[] = "networks/";
constexpr char kStatic[] = "static";
constexpr char kLease[] = "lease";

// What `leases` have for `interface`.
std::vector<std::string> LeasesOf(const v1::Guest::Interface& interface,
                                  const LeasedAddresses& leases) {
  const auto network =
      leases.find(std::string(absl::StripPrefix(interface.network(), kPrefix)));
  const std::optional<MacAddress> mac = ParseMac(interface.mac_address());
  if (network == leases.end() || !mac.has_value()) return {};
  const auto addresses = network->second.find(*mac);
  return addresses == network->second.end() ? std::vector<std::string>()
                                            : addresses->second;
}

void SetAddresses(const std::vector<std::string>& addresses,
                  absl::string_view source, v1::Guest::Interface* interface) {
  interface->clear_addresses();
  for (const std::string& address : addresses) {
    interface->add_addresses(address);
  }
  interface->set_address_source(addresses.empty() ? std::string()
                                                  : std::string(source));
}

void GatherAddresses(v1::Guest* guest) {
  guest->clear_addresses();
  for (const v1::Guest::Interface& interface : guest->interfaces()) {
    for (const std::string& address : interface.addresses()) {
      guest->add_addresses(address);
    }
  }
}

}  // namespace

NetworkInterface ToNetworkInterface(const NetworkSpec& network) {
  NetworkInterface message;
  message.set_network(absl::StrCat(kPrefix, network.network));
  message.set_mac_address(network.mac);
  message.set_model(network.model == NicModel::kE1000e
                        ? NetworkInterface::E1000E
                        : NetworkInterface::VIRTIO);
  message.set_queue_count(network.queue_count);
  for (const std::string& address : network.addresses) {
    message.add_addresses(address);
  }
  return message;
}

NetworkSpec ParseNetworkInterface(const NetworkInterface& message,
                                  const std::string& field,
                                  std::vector<FieldViolation>* faults) {
  NetworkSpec network;
  absl::string_view name = message.network();
  if (absl::ConsumePrefix(&name, kPrefix)) {
    network.network = std::string(name);
  } else {
    faults->push_back(
        {absl::StrCat(field, ".network"), "must be networks/{network}"});
  }
  // What is no address stays as it is, to be refused with the spec.
  const std::optional<MacAddress> mac = ParseMac(message.mac_address());
  network.mac = mac.has_value() ? FormatMac(*mac) : message.mac_address();
  switch (message.model()) {
    case NetworkInterface::MODEL_UNSPECIFIED:
    case NetworkInterface::VIRTIO:
      network.model = NicModel::kVirtio;
      break;
    case NetworkInterface::E1000E:
      network.model = NicModel::kE1000e;
      break;
    default:
      faults->push_back(
          {absl::StrCat(field, ".model"), "must be VIRTIO or E1000E"});
  }
  if (message.queue_count() != 0) network.queue_count = message.queue_count();
  for (const std::string& address : message.addresses()) {
    const std::optional<std::string> ip = ParseIp(address);
    network.addresses.push_back(ip.has_value() ? FormatIp(*ip) : address);
  }
  return network;
}

void SetInterfaces(const GuestRecord& record, const LeasedAddresses& leases,
                   v1::Guest* guest) {
  guest->clear_interfaces();
  guest->clear_addresses();
  if (!record.process.has_value()) return;
  for (size_t i = 0; i < record.spec.networks.size(); ++i) {
    const NetworkSpec& network = record.spec.networks[i];
    v1::Guest::Interface* const interface = guest->add_interfaces();
    interface->set_network(absl::StrCat(kPrefix, network.network));
    interface->set_mac_address(FormatMac(MacOf(network, record.uid, i)));
    if (i < record.process->taps.size()) {
      interface->set_host_device(record.process->taps[i]);
    }
    if (network.addresses.empty()) {
      SetAddresses(LeasesOf(*interface, leases), kLease, interface);
    } else {
      SetAddresses(network.addresses, kStatic, interface);
    }
  }
  GatherAddresses(guest);
}

bool UpdateLeasedAddresses(const LeasedAddresses& leases, v1::Guest* guest) {
  bool changed = false;
  for (v1::Guest::Interface& interface : *guest->mutable_interfaces()) {
    if (interface.address_source() == kStatic) continue;
    const std::vector<std::string> now = LeasesOf(interface, leases);
    const std::vector<std::string> before(interface.addresses().begin(),
                                          interface.addresses().end());
    if (now == before) continue;
    changed = true;
    SetAddresses(now, kLease, &interface);
  }
  if (changed) GatherAddresses(guest);
  return changed;
}

}  // namespace innkeeper
