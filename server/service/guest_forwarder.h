// Passes what is to be done with a guest on to its host.
#ifndef INNKEEPER_SERVER_SERVICE_GUEST_FORWARDER_H_
#define INNKEEPER_SERVER_SERVICE_GUEST_FORWARDER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "auth/permit.h"
#include "base/completion.h"
#include "base/executor.h"
#include "catalog/guest_table.h"
#include "catalog/request_digest.h"
#include "google/longrunning/operations.pb.h"
#include "google/protobuf/message.h"
#include "innkeeper/v1/guests.pb.h"
#include "rpc/call_info.h"
#include "server/inventory/inventory.h"
#include "server/operations/operation_manager.h"
#include "server/operations/request_ledger.h"
#include "server/service/operation_runner.h"

namespace innkeeper {

// Where a call about a guest goes.
struct GuestRoute {
  GuestRowPtr row;
  std::string host;            // "h1"
  int64_t fencing_number = 0;  // Of the host.
  std::shared_ptr<AgentClient> client;
  // What the host itself calls it: "guests/web".
  std::string name;
};

// Thread-safe; no method blocks. The pointers must outlive it, and the
// executor's last task must have run before it ends.
class GuestForwarder {
 public:
  struct Parts {
    Executor* executor;
    OperationManager* operations;
    RequestLedger* ledger;
    Inventory* inventory;
    OperationRunner* runner;
  };

  explicit GuestForwarder(const Parts& parts) : parts_(parts) {}

  // NOT_FOUND (GUEST_NOT_FOUND); UNAVAILABLE (HOST_UNREACHABLE), with the
  // host's age.
  absl::StatusOr<GuestRoute> Route(const std::string& name) const;

  // A verb that is an operation: Start, Stop, Reboot, Delete. Answers when the
  // host has taken it on, or with the error by which it refused. A request id
  // that was used gets its operation again, also where the guest is gone.
  template <typename Request>
  void Operate(const Permit& permit, const CallInfo& info,
               const Request& request,
               Completion<google::longrunning::Operation> done) {
    RequestKey key{permit.caller().principal.ToString(), info.method,
                   request.request_id(), RequestDigest(request)};
    absl::StatusOr<GuestRoute> route = Route(request.name());
    if (!route.ok()) {
      return LookBack(std::move(key), route.status(), std::move(done));
    }
    Request forwarded = request;
    forwarded.set_name(route->name);
    Begin(permit, std::move(key), *route, forwarded.SerializeAsString(),
          std::move(done));
  }

  // A verb that is not: Pause, Resume.
  template <typename Request>
  void Forward(const Permit& permit, const CallInfo& info,
               const Request& request, Completion<v1::Guest> done) {
    absl::StatusOr<GuestRoute> route = Route(request.name());
    if (!route.ok()) return done(route.status());
    Request forwarded = request;
    forwarded.set_name(route->name);
    CallHost(permit, info, *route, forwarded, std::move(done));
  }

  // As Forward.
  void ForwardSecurity(const Permit& permit, const CallInfo& info,
                       const v1::GetGuestSecurityRequest& request,
                       Completion<v1::GuestSecurity> done);

 private:
  struct Task;

  // The first answer to the request, or `refusal` if it is new.
  void LookBack(RequestKey key, const absl::Status& refusal,
                Completion<google::longrunning::Operation> done);
  void Begin(const Permit& permit, RequestKey key, const GuestRoute& route,
             std::string bytes,
             Completion<google::longrunning::Operation> done);
  void CallHost(const Permit& permit, const CallInfo& info,
                const GuestRoute& route,
                const google::protobuf::Message& request,
                Completion<v1::Guest> done);
  // Runs on a worker.
  void Record(const std::shared_ptr<Task>& task);

  const Parts parts_;
};

// The operation as it stands, as the API shows it; if it was refused, that
// error.
absl::StatusOr<google::longrunning::Operation> AnswerOf(
    const absl::StatusOr<ClusterOperation>& operation);

}  // namespace innkeeper

#endif  // INNKEEPER_SERVER_SERVICE_GUEST_FORWARDER_H_
