// An agent, reached by gRPC over mutual TLS.
#ifndef INNKEEPER_SERVER_HOSTS_GRPC_AGENT_CLIENT_H_
#define INNKEEPER_SERVER_HOSTS_GRPC_AGENT_CLIENT_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "auth/tls_credentials.h"
#include "grpcpp/channel.h"
#include "grpcpp/generic/generic_stub.h"
#include "innkeeper/agent/v1/inventory.grpc.pb.h"
#include "innkeeper/v1/consoles.grpc.pb.h"
#include "server/hosts/agent_client.h"
#include "server/hosts/enrolled_host.h"

namespace innkeeper {

class GrpcAgentClient final : public AgentClient {
 public:
  // Talks to nobody but the bearer of host/NAME at the host's address. `tls`
  // is the server's own. INVALID_ARGUMENT for an address that is none.
  static absl::StatusOr<std::unique_ptr<AgentClient>> Create(
      const EnrolledHost& host, TlsOptions tls);

  void Call(const std::string& method, std::string request,
            const std::optional<Delegation>& delegation, absl::Duration timeout,
            Completion<std::string> done) override;
  std::unique_ptr<Subscription> WatchInventory(
      InventoryHandler handler) override;
  void AttachSerial(const v1::AttachSerialRequest& first,
                    const Delegation& delegation,
                    std::shared_ptr<Console> stream) override;

 private:
  GrpcAgentClient(std::string host, std::shared_ptr<grpc::Channel> channel);

  const std::string host_;
  const std::shared_ptr<grpc::Channel> channel_;
  const std::shared_ptr<grpc::GenericStub> generic_;
  const std::shared_ptr<agent::v1::Inventory::Stub> inventory_;
  const std::shared_ptr<v1::Consoles::Stub> consoles_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_SERVER_HOSTS_GRPC_AGENT_CLIENT_H_
