// innkeeper.v1.Contexts for this host.
#ifndef INNKEEPER_AGENT_SERVICE_CONTEXT_SERVICE_H_
#define INNKEEPER_AGENT_SERVICE_CONTEXT_SERVICE_H_

#include <string>
#include <utility>

#include "agent/context/context_book.h"
#include "agent/service/context_access.h"
#include "innkeeper/v1/contexts.grpc.pb.h"
#include "rpc/gate.h"
#include "rpc/page_token.h"

namespace innkeeper {

// Thread-safe. What the pointers point to must outlive it.
class ContextService final : public v1::Contexts::CallbackService {
 public:
  // `host` is "hosts/h1".
  ContextService(Gate* gate, ContextBook* book, const ContextAccess* access,
                 const PageTokenSealer* sealer, std::string host)
      : gate_(*gate),
        book_(*book),
        access_(*access),
        sealer_(*sealer),
        host_(std::move(host)) {}

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
  // Whether the caller administers this host, and means it.
  absl::Status CheckChange(const Permit& permit,
                           const std::string& asked_host) const;
  absl::Status CheckHost(const std::string& asked_host) const;

  Gate& gate_;
  ContextBook& book_;
  const ContextAccess& access_;
  const PageTokenSealer& sealer_;
  const std::string host_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_SERVICE_CONTEXT_SERVICE_H_
