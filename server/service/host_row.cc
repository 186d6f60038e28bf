#include "server/service/host_row.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "server/inventory/cluster_resolver.h"

namespace innkeeper {

FieldSchema HostFieldSchema() {
  return FieldSchema({
      {"name", FieldType::kString, {}},
      {"state", FieldType::kEnum, {"UP", "UNREACHABLE", "PENDING"}},
      {"cordoned", FieldType::kBool, {}},
      {"labels.*", FieldType::kString, {}},
      {"acceleration.kvm", FieldType::kBool, {}},
      {"machine_id", FieldType::kString, {}},
  });
}

HostRow::HostRow(v1::Host host)
    : host_(std::move(host)),
      attributes_(AttributesOf(host_)),
      framed_(FrameListElement(host_)) {}

FieldValue HostRow::Get(absl::string_view path) const {
  if (path == "name") return absl::string_view(host_.name());
  if (path == "state") {
    return absl::string_view(v1::Host::State_Name(host_.state()));
  }
  if (path == "cordoned") return host_.cordoned();
  if (path == "acceleration.kvm") return host_.acceleration().kvm();
  if (path == "machine_id") return absl::string_view(host_.machine_id());
  if (absl::ConsumePrefix(&path, "labels.")) {
    const auto label = host_.labels().find(std::string(path));
    if (label != host_.labels().end()) return absl::string_view(label->second);
  }
  return std::monostate();
}

std::vector<std::shared_ptr<const ListRow>> MakeHostRows(
    std::vector<v1::Host> hosts) {
  std::vector<std::shared_ptr<const ListRow>> rows;
  rows.reserve(hosts.size());
  for (v1::Host& host : hosts) {
    rows.push_back(std::make_shared<HostRow>(std::move(host)));
  }
  return rows;
}

}  // namespace innkeeper
