// google.longrunning.Operations of the cluster.
#ifndef INNKEEPER_SERVER_SERVICE_OPERATION_SERVICE_H_
#define INNKEEPER_SERVER_SERVICE_OPERATION_SERVICE_H_

#include "absl/status/statusor.h"
#include "auth/permit.h"
#include "base/completion.h"
#include "google/longrunning/operations.grpc.pb.h"
#include "rpc/call_info.h"
#include "rpc/gate.h"
#include "rpc/page_token.h"
#include "server/inventory/inventory.h"
#include "server/operations/operation_manager.h"

namespace innkeeper {

// Thread-safe. What the pointers point to must outlive it.
class OperationService final
    : public google::longrunning::Operations::CallbackService {
 public:
  OperationService(Gate* gate, OperationManager* operations,
                   Inventory* inventory, const PageTokenSealer* sealer)
      : gate_(*gate),
        operations_(*operations),
        inventory_(*inventory),
        sealer_(*sealer) {}

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

  // Asks the host that carries out `operation`: only it knows whether there is
  // a way back.
  void Cancel(const Permit& permit, const CallInfo& info,
              const ClusterOperation& operation,
              const google::longrunning::CancelOperationRequest& request,
              Completion<google::protobuf::Empty> done);

  Gate& gate_;
  OperationManager& operations_;
  Inventory& inventory_;
  const PageTokenSealer& sealer_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_SERVER_SERVICE_OPERATION_SERVICE_H_
