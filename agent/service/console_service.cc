#include "agent/service/console_service.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "agent/guest/guest_name.h"
#include "agent/service/serial_session.h"
#include "base/error.h"
#include "base/reason.h"

namespace innkeeper {
namespace {

// As many as a keeper serves: one more would wait for its first byte until
// another leaves.
constexpr int kMaxAttached = 4;

}  // namespace

grpc::ServerBidiReactor<v1::AttachSerialRequest, v1::AttachSerialResponse>*
ConsoleService::AttachSerial(grpc::CallbackServerContext* context) {
  return gate_.Bidi<v1::AttachSerialRequest, v1::AttachSerialResponse>(
      context,
      [this](const Permit&, const v1::AttachSerialRequest& first,
             std::shared_ptr<Stream> stream) -> absl::Status {
        absl::StatusOr<std::string> id = ParseGuestName(first.name(), "name");
        if (!id.ok()) return id.status();
        loop_.Post([this, id = *std::move(id), first,
                    stream = std::move(stream)]() mutable {
          Attach(id, first, std::move(stream));
        });
        return absl::OkStatus();
      });
}

void ConsoleService::Attach(const std::string& guest,
                            const v1::AttachSerialRequest& first,
                            std::shared_ptr<Stream> stream) {
  absl::StatusOr<std::string> path = driver_.ConsolePath(guest);
  if (!path.ok()) return stream->Finish(path.status());
  if (attached_[guest] >= kMaxAttached) {
    return stream->Finish(
        Error(absl::StatusCode::kResourceExhausted, reason::kConsoleBusy,
              absl::StrCat("the console of guest '", guest, "' has ",
                           kMaxAttached,
                           " clients, which is all it may have; detach one"))
            .With("guest", guest));
  }
  ++attached_[guest];
  SerialSession::Start(
      &loop_, *path, first,
      [this, guest] { return driver_.ConsolePath(guest).ok(); },
      std::move(stream),
      [this, guest] {
        if (--attached_[guest] == 0) attached_.erase(guest);
      });
}

}  // namespace innkeeper
