// google.longrunning.Operations for this host.
#ifndef INNKEEPER_AGENT_SERVICE_OPERATION_SERVICE_H_
#define INNKEEPER_AGENT_SERVICE_OPERATION_SERVICE_H_

#include "agent/store/agent_store.h"
#include "agent/supervisor/operation_tracker.h"
#include "google/longrunning/operations.grpc.pb.h"
#include "rpc/gate.h"

namespace innkeeper {

// Thread-safe. What the pointers point to must outlive it.
class OperationService final
    : public google::longrunning::Operations::CallbackService {
 public:
  OperationService(Gate* gate, OperationTracker* tracker, AgentStore* store)
      : gate_(*gate), tracker_(*tracker), store_(*store) {}

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
  Gate& gate_;
  OperationTracker& tracker_;
  AgentStore& store_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_SERVICE_OPERATION_SERVICE_H_
