// What the server asks of one host's agent.
#ifndef INNKEEPER_SERVER_HOSTS_AGENT_CLIENT_H_
#define INNKEEPER_SERVER_HOSTS_AGENT_CLIENT_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "auth/delegation.h"
#include "base/completion.h"
#include "base/error.h"
#include "base/reason.h"
#include "innkeeper/agent/v1/inventory.pb.h"
#include "innkeeper/v1/consoles.pb.h"
#include "rpc/bidi_stream.h"

namespace innkeeper {

// Thread-safe. No method blocks; what it calls back may run on any thread, and
// also after the client is gone.
class AgentClient {
 public:
  using Console = BidiStream<v1::AttachSerialRequest, v1::AttachSerialResponse>;

  // What comes of a WatchInventory. OnEnd is called once, and is the last.
  struct InventoryHandler {
    std::function<void(agent::v1::WatchInventoryResponse)> on_message;
    std::function<void(absl::Status)> on_end;
  };
  // A running stream; its destruction cancels it, and OnEnd still comes.
  class Subscription {
   public:
    virtual ~Subscription() = default;
  };

  virtual ~AgentClient() = default;

  // Calls the unary `method` ("innkeeper.v1.Guests/StopGuest") with the bytes
  // of its request; for somebody else where there is a delegation, which lasts
  // no longer than the call. Errors as the agent gave them; an error of the way
  // there has no reason.
  virtual void Call(const std::string& method, std::string request,
                    const std::optional<Delegation>& delegation,
                    absl::Duration timeout, Completion<std::string> done) = 0;

  virtual std::unique_ptr<Subscription> WatchInventory(
      InventoryHandler handler) = 0;

  // Carries a console between `stream`, which it ends, and the agent.
  virtual void AttachSerial(const v1::AttachSerialRequest& first,
                            const Delegation& delegation,
                            std::shared_ptr<Console> stream) = 0;
};

// Call, in messages.
template <typename Response, typename Request>
void CallAgent(AgentClient& client, const std::string& method,
               const Request& request,
               const std::optional<Delegation>& delegation,
               absl::Duration timeout, Completion<Response> done) {
  client.Call(
      method, request.SerializeAsString(), delegation, timeout,
      [done = std::move(done)](absl::StatusOr<std::string> bytes) mutable {
        if (!bytes.ok()) return done(bytes.status());
        Response response;
        if (!response.ParseFromString(*bytes)) {
          return done(Error(absl::StatusCode::kInternal, reason::kInternal,
                            "an agent's answer cannot be read")
                          .Build());
        }
        done(std::move(response));
      });
}

// Whether `status`, of a Call, leaves open if the agent acted: it did not
// answer, or answered that it is about to stop.
bool IsUnreachable(const absl::Status& status);

// What somebody is told whose call to `host` ("h1") failed with `status`: what
// the agent said, or, of an error of the way, UNAVAILABLE (HOST_UNREACHABLE).
absl::Status ToHostError(absl::string_view host, const absl::Status& status);

}  // namespace innkeeper

#endif  // INNKEEPER_SERVER_HOSTS_AGENT_CLIENT_H_
