// innkeeper.v1.Contexts for all hosts.
#ifndef INNKEEPER_SERVER_SERVICE_CONTEXT_SERVICE_H_
#define INNKEEPER_SERVER_SERVICE_CONTEXT_SERVICE_H_

#include <string>
#include <vector>

#include "innkeeper/v1/contexts.grpc.pb.h"
#include "rpc/gate.h"
#include "rpc/page_token.h"
#include "server/inventory/inventory.h"

namespace innkeeper {

// Keeps no context itself: each call goes on to the hosts, which decide what
// there is for its caller. Thread-safe. What the pointers point to must outlive
// it.
class ContextService final : public v1::Contexts::CallbackService {
 public:
  ContextService(Gate* gate, const Inventory* inventory,
                 const PageTokenSealer* sealer)
      : gate_(*gate), inventory_(*inventory), sealer_(*sealer) {}

  grpc::ServerUnaryReactor* CreateContext(
      grpc::CallbackServerContext* context,
      const v1::CreateContextRequest* request, v1::Context* response) override;
  grpc::ServerUnaryReactor* GetContext(grpc::CallbackServerContext* context,
                                       const v1::GetContextRequest* request,
                                       v1::Context* response) override;
  grpc::ServerUnaryReactor* ListContexts(
      grpc::CallbackServerContext* context,
      const v1::ListContextsRequest* request,
      v1::ListContextsResponse* response) override;
  grpc::ServerUnaryReactor* DeleteContext(
      grpc::CallbackServerContext* context,
      const v1::DeleteContextRequest* request,
      google::protobuf::Empty* response) override;

 private:
  // The ids of those hosts that a change of contexts on `asked` ("hosts/h1", or
  // empty for all) is about. PERMISSION_DENIED unless the caller administers
  // each; HOST_NOT_FOUND; NO_HOST_FITS without any host.
  absl::StatusOr<std::vector<std::string>> HostsToChange(
      const Permit& permit, const std::string& asked) const;
  // The ids of those that a read of `asked` goes to.
  std::vector<std::string> HostsToRead(const std::string& asked) const;

  Gate& gate_;
  const Inventory& inventory_;
  const PageTokenSealer& sealer_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_SERVER_SERVICE_CONTEXT_SERVICE_H_
