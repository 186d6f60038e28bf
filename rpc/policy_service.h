// innkeeper.v1.Policy: who the caller is here, and what they may do.
#ifndef INNKEEPER_RPC_POLICY_SERVICE_H_
#define INNKEEPER_RPC_POLICY_SERVICE_H_

#include <string>
#include <utility>

#include "auth/authorizer.h"
#include "innkeeper/v1/policy.grpc.pb.h"
#include "rpc/gate.h"

namespace innkeeper {

// Thread-safe. What the pointers point to must outlive it. `self` is
// who answers: "host/h1" or "server/s1".
class PolicyService final : public v1::Policy::CallbackService {
 public:
  PolicyService(Gate* gate, const Authorizer* authorizer, std::string self,
                std::string version)
      : gate_(*gate),
        authorizer_(*authorizer),
        self_(std::move(self)),
        version_(std::move(version)) {}

  grpc::ServerUnaryReactor* WhoAmI(grpc::CallbackServerContext* context,
                                   const v1::WhoAmIRequest* request,
                                   v1::WhoAmIResponse* response) override;

 private:
  Gate& gate_;
  const Authorizer& authorizer_;
  const std::string self_;
  const std::string version_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_RPC_POLICY_SERVICE_H_
