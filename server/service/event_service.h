// innkeeper.v1.Events of the cluster.
#ifndef INNKEEPER_SERVER_SERVICE_EVENT_SERVICE_H_
#define INNKEEPER_SERVER_SERVICE_EVENT_SERVICE_H_

#include "innkeeper/v1/events.grpc.pb.h"
#include "rpc/gate.h"
#include "server/inventory/inventory.h"

namespace innkeeper {

// Thread-safe. What the pointers point to must outlive it.
class EventService final : public v1::Events::CallbackService {
 public:
  EventService(Gate* gate, Inventory* inventory)
      : gate_(*gate), inventory_(*inventory) {}

  grpc::ServerWriteReactor<v1::WatchEventsResponse>* WatchEvents(
      grpc::CallbackServerContext* context,
      const v1::WatchEventsRequest* request) override;

 private:
  Gate& gate_;
  Inventory& inventory_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_SERVER_SERVICE_EVENT_SERVICE_H_
