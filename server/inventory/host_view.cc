#include "server/inventory/host_view.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace innkeeper {

std::string HostId(absl::string_view name) {
  return std::string(absl::StripPrefix(name, "hosts/"));
}

std::string ToVolume(absl::string_view name) {
  const std::vector<absl::string_view> parts = absl::StrSplit(name, '/');
  if (parts.size() != 4) return std::string(name);
  return absl::StrCat(parts[1], "/", parts[3]);
}

Capacity ToCapacity(const v1::GuestSpec& spec) {
  Capacity capacity;
  capacity.memory_bytes = spec.memory_bytes();
  capacity.vcpus = spec.vcpu_count();
  return capacity;
}

HostView ToHostView(const v1::Host& host) {
  HostView view;
  view.name = HostId(host.name());
  view.machine_id = host.machine_id();
  view.up = host.state() == v1::Host::UP;
  view.reason_down = host.state_message();
  view.cordoned = host.cordoned();
  view.labels.insert(host.labels().begin(), host.labels().end());
  view.total.memory_bytes = host.capacity().memory_bytes();
  view.total.vcpus = host.capacity().vcpu_count();
  view.machine_total.memory_bytes = host.machine_capacity().memory_bytes();
  view.machine_total.vcpus = host.machine_capacity().vcpu_count();
  view.kvm = host.acceleration().kvm();
  view.machine_types.assign(host.machine_types().begin(),
                            host.machine_types().end());
  for (const std::string& volume : host.volumes()) {
    view.volumes.insert(ToVolume(volume));
  }
  for (const v1::Host::Network& network : host.networks()) {
    view.networks.emplace(absl::StripPrefix(network.name(), "networks/"));
  }
  view.features.insert(host.features().begin(), host.features().end());
  return view;
}

}  // namespace innkeeper
