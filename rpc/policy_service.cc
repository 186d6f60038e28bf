#include "rpc/policy_service.h"

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "rpc/timestamp.h"

namespace innkeeper {

grpc::ServerUnaryReactor* PolicyService::WhoAmI(
    grpc::CallbackServerContext* context, const v1::WhoAmIRequest* request,
    v1::WhoAmIResponse* response) {
  return gate_.Unary(
      context, request, response,
      [&](const Permit& permit) -> absl::StatusOr<v1::WhoAmIResponse> {
        v1::WhoAmIResponse answer;
        const Identity& caller = permit.caller();
        answer.set_principal(caller.principal.ToString());
        for (const Binding& binding :
             authorizer_.BindingsOf(caller, permit.delegate())) {
          v1::WhoAmIResponse::Binding* added = answer.add_bindings();
          added->set_role(binding.role);
          added->set_scope(binding.scope);
        }
        for (const std::string& permission :
             authorizer_.PermissionsOf(caller, permit.delegate())) {
          answer.add_permissions(permission);
        }
        answer.set_address(caller.address);
        if (caller.expire_time != absl::InfiniteFuture()) {
          *answer.mutable_expire_time() = ToTimestamp(caller.expire_time);
        }
        answer.set_answered_by(self_);
        answer.set_version(version_);
        return answer;
      });
}

}  // namespace innkeeper
