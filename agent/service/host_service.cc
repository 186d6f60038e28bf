#include "agent/service/host_service.h"

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/error.h"
#include "base/reason.h"

namespace innkeeper {
namespace {

absl::Status NotHere(absl::string_view what) {
  return Error(absl::StatusCode::kUnimplemented, reason::kNotAtThisScope,
               absl::StrCat("an agent cannot ", what, "; ask the server"));
}

// Which contexts there are is for those who administer the host; all others
// list those that they may use.
v1::Host HostFor(const Permit& permit, AgentView& view) {
  v1::Host host = view.host();
  if (!permit.Administers(view.host_name())) host.clear_contexts();
  return host;
}

}  // namespace

grpc::ServerUnaryReactor* HostService::GetHost(
    grpc::CallbackServerContext* context, const v1::GetHostRequest* request,
    v1::Host* response) {
  return gate_.Unary(context, request, response,
                     [&](const Permit& permit) -> absl::StatusOr<v1::Host> {
                       return HostFor(permit, view_);
                     });
}

grpc::ServerUnaryReactor* HostService::ListHosts(
    grpc::CallbackServerContext* context, const v1::ListHostsRequest* request,
    v1::ListHostsResponse* response) {
  return gate_.Unary(
      context, request, response,
      [&](const Permit& permit) -> absl::StatusOr<v1::ListHostsResponse> {
        v1::ListHostsResponse answer;
        ResourceAttributes attributes;
        attributes.name = view_.host_name();
        attributes.host = view_.host_name();
        if (permit.CanSee(attributes)) {
          *answer.add_hosts() = HostFor(permit, view_);
        }
        return answer;
      });
}

grpc::ServerUnaryReactor* HostService::CordonHost(
    grpc::CallbackServerContext* context, const v1::CordonHostRequest* request,
    v1::Host* response) {
  return gate_.Unary(context, request, response,
                     [&](const Permit&) -> absl::StatusOr<v1::Host> {
                       return NotHere("cordon a host");
                     });
}

grpc::ServerUnaryReactor* HostService::UncordonHost(
    grpc::CallbackServerContext* context,
    const v1::UncordonHostRequest* request, v1::Host* response) {
  return gate_.Unary(context, request, response,
                     [&](const Permit&) -> absl::StatusOr<v1::Host> {
                       return NotHere("uncordon a host");
                     });
}

grpc::ServerUnaryReactor* HostService::RemoveHost(
    grpc::CallbackServerContext* context, const v1::RemoveHostRequest* request,
    google::protobuf::Empty* response) {
  return gate_.Unary(
      context, request, response,
      [&](const Permit&) -> absl::StatusOr<google::protobuf::Empty> {
        return NotHere("remove a host");
      });
}

grpc::ServerUnaryReactor* HostService::CreateEnrolmentToken(
    grpc::CallbackServerContext* context,
    const v1::CreateEnrolmentTokenRequest* request,
    v1::CreateEnrolmentTokenResponse* response) {
  return gate_.Unary(
      context, request, response,
      [&](const Permit&) -> absl::StatusOr<v1::CreateEnrolmentTokenResponse> {
        return NotHere("make enrolment tokens");
      });
}

grpc::ServerUnaryReactor* HostService::EnrolHost(
    grpc::CallbackServerContext* context, const v1::EnrolHostRequest* request,
    v1::EnrolHostResponse* response) {
  return gate_.Unary(
      context, request, response,
      [&](const Permit&) -> absl::StatusOr<v1::EnrolHostResponse> {
        return NotHere("enrol hosts");
      });
}

}  // namespace innkeeper
