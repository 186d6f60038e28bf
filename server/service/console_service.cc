#include "server/service/console_service.h"

#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "auth/delegation.h"

namespace innkeeper {

grpc::ServerBidiReactor<v1::AttachSerialRequest, v1::AttachSerialResponse>*
ConsoleService::AttachSerial(grpc::CallbackServerContext* context) {
  return gate_.Bidi<v1::AttachSerialRequest, v1::AttachSerialResponse>(
      context,
      [this](const Permit& permit, const v1::AttachSerialRequest& first,
             std::shared_ptr<AgentClient::Console> stream) -> absl::Status {
        absl::StatusOr<GuestRoute> route = forwarder_.Route(first.name());
        if (!route.ok()) return route.status();
        v1::AttachSerialRequest forwarded = first;
        forwarded.set_name(route->name);
        route->client->AttachSerial(
            forwarded,
            Delegation{permit.caller().principal, "", route->row->guest.uid(),
                       route->fencing_number},
            std::move(stream));
        return absl::OkStatus();
      });
}

}  // namespace innkeeper
