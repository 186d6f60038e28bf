#include "server/service/event_service.h"

#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "catalog/guest_list.h"

namespace innkeeper {

grpc::ServerWriteReactor<v1::WatchEventsResponse>* EventService::WatchEvents(
    grpc::CallbackServerContext* context,
    const v1::WatchEventsRequest* request) {
  return gate_.ServerStream<v1::WatchEventsResponse>(
      context, request,
      [&](const Permit& permit,
          std::shared_ptr<StreamWriter<v1::WatchEventsResponse>> stream) {
        absl::StatusOr<EventWatch> watch =
            MakeEventWatch(permit, *request, std::move(stream));
        if (!watch.ok()) return watch.status();
        inventory_.events().Start(*std::move(watch));
        return absl::OkStatus();
      });
}

}  // namespace innkeeper
