// innkeeper.v1.Events for this host.
#ifndef INNKEEPER_AGENT_SERVICE_EVENT_SERVICE_H_
#define INNKEEPER_AGENT_SERVICE_EVENT_SERVICE_H_

#include "agent/service/agent_view.h"
#include "innkeeper/v1/events.grpc.pb.h"
#include "rpc/gate.h"

namespace innkeeper {

// Thread-safe. What the pointers point to must outlive it.
class EventService final : public v1::Events::CallbackService {
 public:
  EventService(Gate* gate, AgentView* view) : gate_(*gate), view_(*view) {}

  grpc::ServerWriteReactor<v1::WatchEventsResponse>* WatchEvents(
      grpc::CallbackServerContext* context,
      const v1::WatchEventsRequest* request) override;

 private:
  Gate& gate_;
  AgentView& view_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_SERVICE_EVENT_SERVICE_H_
