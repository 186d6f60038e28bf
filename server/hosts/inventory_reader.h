// One WatchInventory stream.
#ifndef INNKEEPER_SERVER_HOSTS_INVENTORY_READER_H_
#define INNKEEPER_SERVER_HOSTS_INVENTORY_READER_H_

#include <memory>

#include "innkeeper/agent/v1/inventory.grpc.pb.h"
#include "server/hosts/agent_client.h"

namespace innkeeper {

// Starts the stream; see AgentClient::WatchInventory.
std::unique_ptr<AgentClient::Subscription> ReadInventory(
    std::shared_ptr<agent::v1::Inventory::Stub> stub,
    AgentClient::InventoryHandler handler);

}  // namespace innkeeper

#endif  // INNKEEPER_SERVER_HOSTS_INVENTORY_READER_H_
