// innkeeper.v1.Hosts at an agent: the host itself.
#ifndef INNKEEPER_AGENT_SERVICE_HOST_SERVICE_H_
#define INNKEEPER_AGENT_SERVICE_HOST_SERVICE_H_

#include "agent/service/agent_view.h"
#include "innkeeper/v1/hosts.grpc.pb.h"
#include "rpc/gate.h"

namespace innkeeper {

// Thread-safe. What the pointers point to must outlive it.
class HostService final : public v1::Hosts::CallbackService {
 public:
  HostService(Gate* gate, AgentView* view) : gate_(*gate), view_(*view) {}

  grpc::ServerUnaryReactor* GetHost(grpc::CallbackServerContext* context,
                                    const v1::GetHostRequest* request,
                                    v1::Host* response) override;
  grpc::ServerUnaryReactor* ListHosts(grpc::CallbackServerContext* context,
                                      const v1::ListHostsRequest* request,
                                      v1::ListHostsResponse* response) override;
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
  AgentView& view_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_SERVICE_HOST_SERVICE_H_
