// Looks up what calls at the server name.
#ifndef INNKEEPER_SERVER_INVENTORY_CLUSTER_RESOLVER_H_
#define INNKEEPER_SERVER_INVENTORY_CLUSTER_RESOLVER_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "auth/resource.h"
#include "server/inventory/inventory.h"
#include "server/operations/operation_manager.h"

namespace innkeeper {

// What rights to an operation depend on.
ResourceAttributes AttributesOf(const ClusterOperation& operation);
// The same of a host, as the inventory shows it.
ResourceAttributes AttributesOf(const v1::Host& host);

// Guests, hosts and operations, from memory. A guest that is gone is what its
// last operation says of it, without labels: who deleted it may ask again, and
// is answered as before. Thread-safe. The pointers must outlive it.
class ClusterResolver final : public ResourceResolver {
 public:
  ClusterResolver(Inventory* inventory, const OperationManager* operations)
      : inventory_(*inventory), operations_(*operations) {}

  absl::StatusOr<ResourceAttributes> Resolve(
      absl::string_view name) const override;

 private:
  Inventory& inventory_;
  const OperationManager& operations_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_SERVER_INVENTORY_CLUSTER_RESOLVER_H_
