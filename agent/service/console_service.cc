#include "agent/service/console_service.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/guest/guest_name.h"
#include "agent/service/serial_session.h"

namespace innkeeper {

grpc::ServerBidiReactor<v1::AttachSerialRequest, v1::AttachSerialResponse>*
ConsoleService::AttachSerial(grpc::CallbackServerContext* context) {
  return gate_.Bidi<v1::AttachSerialRequest, v1::AttachSerialResponse>(
      context,
      [this](const Permit&, const v1::AttachSerialRequest& first,
             std::shared_ptr<SerialSession::Stream> stream) -> absl::Status {
        absl::StatusOr<std::string> id = ParseGuestName(first.name(), "name");
        if (!id.ok()) return id.status();
        loop_.Post([this, id = *std::move(id), read_only = first.read_only(),
                    stream = std::move(stream)]() mutable {
          absl::StatusOr<std::string> path = driver_.ConsolePath(id);
          if (!path.ok()) return stream->Finish(path.status());
          SerialSession::Start(
              &loop_, *path, read_only,
              [this, id] { return driver_.ConsolePath(id).ok(); },
              std::move(stream));
        });
        return absl::OkStatus();
      });
}

}  // namespace innkeeper
