// google.longrunning.Operations for this host.
#ifndef INNKEEPER_AGENT_SERVICE_OPERATION_SERVICE_H_
#define INNKEEPER_AGENT_SERVICE_OPERATION_SERVICE_H_

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "agent/store/agent_store.h"
#include "agent/supervisor/guest_supervisor.h"
#include "agent/supervisor/operation_tracker.h"
#include "auth/permit.h"
#include "google/longrunning/operations.grpc.pb.h"
#include "rpc/gate.h"

namespace innkeeper {

// Thread-safe. What the pointers point to must outlive it.
class OperationService final
    : public google::longrunning::Operations::CallbackService {
 public:
  // `host` is "hosts/h1".
  OperationService(Gate* gate, GuestSupervisor* supervisor,
                   OperationTracker* tracker, AgentStore* store,
                   std::string host)
      : gate_(*gate),
        supervisor_(*supervisor),
        tracker_(*tracker),
        store_(*store),
        host_(std::move(host)) {}

  grpc::ServerUnaryReactor* GetOperation(
      grpc::CallbackServerContext* context,
      const google::longrunning::GetOperationRequest* request,
      google::longrunning::Operation* response) override;
  grpc::ServerUnaryReactor* ListOperations(
      grpc::CallbackServerContext* context,
      const google::longrunning::ListOperationsRequest* request,
      google::longrunning::ListOperationsResponse* response) override;
  grpc::ServerUnaryReactor* WaitOperation(
      grpc::CallbackServerContext* context,
      const google::longrunning::WaitOperationRequest* request,
      google::longrunning::Operation* response) override;
  grpc::ServerUnaryReactor* CancelOperation(
      grpc::CallbackServerContext* context,
      const google::longrunning::CancelOperationRequest* request,
      google::protobuf::Empty* response) override;
  grpc::ServerUnaryReactor* DeleteOperation(
      grpc::CallbackServerContext* context,
      const google::longrunning::DeleteOperationRequest* request,
      google::protobuf::Empty* response) override;

 private:
  absl::StatusOr<google::longrunning::ListOperationsResponse> ReadPage(
      const Permit& permit,
      const google::longrunning::ListOperationsRequest& request) const;

  Gate& gate_;
  GuestSupervisor& supervisor_;
  OperationTracker& tracker_;
  AgentStore& store_;
  const std::string host_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_SERVICE_OPERATION_SERVICE_H_
