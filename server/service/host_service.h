// innkeeper.v1.Hosts of the cluster.
#ifndef INNKEEPER_SERVER_SERVICE_HOST_SERVICE_H_
#define INNKEEPER_SERVER_SERVICE_HOST_SERVICE_H_

#include "base/executor.h"
#include "innkeeper/v1/hosts.grpc.pb.h"
#include "rpc/gate.h"
#include "rpc/list_query.h"
#include "server/inventory/inventory.h"
#include "server/service/host_admin.h"

namespace innkeeper {

// Thread-safe. What the pointers point to must outlive it.
class HostService final : public v1::Hosts::WithRawCallbackMethod_ListHosts<
                              v1::Hosts::CallbackService> {
 public:
  HostService(Gate* gate, Executor* executor, Inventory* inventory,
              HostAdmin* admin, const PageTokenSealer* sealer);

  grpc::ServerUnaryReactor* GetHost(grpc::CallbackServerContext* context,
                                    const v1::GetHostRequest* request,
                                    v1::Host* response) override;
  grpc::ServerUnaryReactor* ListHosts(grpc::CallbackServerContext* context,
                                      const grpc::ByteBuffer* request,
                                      grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* CordonHost(grpc::CallbackServerContext* context,
                                       const v1::CordonHostRequest* request,
                                       v1::Host* response) override;
  grpc::ServerUnaryReactor* UncordonHost(grpc::CallbackServerContext* context,
                                         const v1::UncordonHostRequest* request,
                                         v1::Host* response) override;
  grpc::ServerUnaryReactor* RemoveHost(
      grpc::CallbackServerContext* context,
      const v1::RemoveHostRequest* request,
      google::protobuf::Empty* response) override;
  grpc::ServerUnaryReactor* CreateEnrolmentToken(
      grpc::CallbackServerContext* context,
      const v1::CreateEnrolmentTokenRequest* request,
      v1::CreateEnrolmentTokenResponse* response) override;
  grpc::ServerUnaryReactor* EnrolHost(grpc::CallbackServerContext* context,
                                      const v1::EnrolHostRequest* request,
                                      v1::EnrolHostResponse* response) override;

 private:
  Gate& gate_;
  Executor& executor_;
  Inventory& inventory_;
  HostAdmin& admin_;
  const ListQuery query_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_SERVER_SERVICE_HOST_SERVICE_H_
