#include "server/inventory/cluster_resolver.h"

#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "server/inventory/host_view.h"

namespace innkeeper {

ResourceAttributes AttributesOf(const ClusterOperation& operation) {
  ResourceAttributes attributes;
  attributes.name = operation.name;
  attributes.owner = operation.owner;
  if (!operation.host.empty()) {
    attributes.host = absl::StrCat("hosts/", operation.host);
  }
  return attributes;
}

ResourceAttributes AttributesOf(const v1::Host& host) {
  ResourceAttributes attributes;
  attributes.name = host.name();
  attributes.host = host.name();
  attributes.labels.insert(host.labels().begin(), host.labels().end());
  return attributes;
}

absl::StatusOr<ResourceAttributes> ClusterResolver::Resolve(
    absl::string_view name) const {
  if (absl::StartsWith(name, "guests/")) {
    const GuestRowPtr row = inventory_.table().Find(name);
    if (row != nullptr) return row->attributes;
    const OperationManager::Entry last =
        operations_.FindLast(absl::StripPrefix(name, "guests/"));
    if (last != nullptr) {
      ResourceAttributes attributes = AttributesOf(*last);
      attributes.name = std::string(name);
      return attributes;
    }
  } else if (absl::StartsWith(name, "hosts/")) {
    const std::optional<v1::Host> host = inventory_.FindHost(HostId(name));
    if (host.has_value()) return AttributesOf(*host);
  } else if (absl::StartsWith(name, "operations/")) {
    const OperationManager::Entry operation = operations_.Find(name);
    if (operation != nullptr) return AttributesOf(*operation);
  }
  return absl::NotFoundError("absent");
}

}  // namespace innkeeper
