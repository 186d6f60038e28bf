// innkeeper.agent.v1.Inventory: what servers read of this host.
#ifndef INNKEEPER_AGENT_SERVICE_INVENTORY_SERVICE_H_
#define INNKEEPER_AGENT_SERVICE_INVENTORY_SERVICE_H_

#include "agent/service/agent_view.h"
#include "innkeeper/agent/v1/inventory.grpc.pb.h"
#include "rpc/gate.h"

namespace innkeeper {

// Thread-safe. What the pointers point to must outlive it.
class InventoryService final : public agent::v1::Inventory::CallbackService {
 public:
  InventoryService(Gate* gate, AgentView* view, AgentStore* store)
      : gate_(*gate), view_(*view), store_(*store) {}

  grpc::ServerWriteReactor<agent::v1::WatchInventoryResponse>* WatchInventory(
      grpc::CallbackServerContext* context,
      const agent::v1::WatchInventoryRequest* request) override;
  grpc::ServerUnaryReactor* ListHostEvents(
      grpc::CallbackServerContext* context,
      const agent::v1::ListHostEventsRequest* request,
      agent::v1::ListHostEventsResponse* response) override;

 private:
  Gate& gate_;
  AgentView& view_;
  AgentStore& store_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_SERVICE_INVENTORY_SERVICE_H_
