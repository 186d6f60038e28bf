#include "server/service/guest_service.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/completion.h"
#include "base/error.h"
#include "base/reason.h"

namespace innkeeper {

using google::longrunning::Operation;

template <typename Request>
grpc::ServerUnaryReactor* GuestService::Operate(
    grpc::CallbackServerContext* context, const Request* request,
    Operation* response) {
  return gate_.UnaryAsync(context, request, response,
                          [&](const Permit& permit, const CallInfo& info,
                              Completion<Operation> done) {
                            forwarder_.Operate(permit, info, *request,
                                               std::move(done));
                          });
}

template <typename Request>
grpc::ServerUnaryReactor* GuestService::Forward(
    grpc::CallbackServerContext* context, const Request* request,
    v1::Guest* response) {
  return gate_.UnaryAsync(context, request, response,
                          [&](const Permit& permit, const CallInfo& info,
                              Completion<v1::Guest> done) {
                            forwarder_.Forward(permit, info, *request,
                                               std::move(done));
                          });
}

grpc::ServerUnaryReactor* GuestService::LaunchGuest(
    grpc::CallbackServerContext* context, const v1::LaunchGuestRequest* request,
    Operation* response) {
  return gate_.UnaryAsync(
      context, request, response,
      [&](const Permit& permit, Completion<Operation> done) {
        launcher_.Launch(permit, *request, std::move(done));
      });
}

grpc::ServerUnaryReactor* GuestService::GetGuest(
    grpc::CallbackServerContext* context, const v1::GetGuestRequest* request,
    v1::Guest* response) {
  return gate_.Unary(
      context, request, response,
      [&](const Permit&) -> absl::StatusOr<v1::Guest> {
        const GuestRowPtr row = inventory_.table().Find(request->name());
        if (row != nullptr) return row->guest;
        return Error(absl::StatusCode::kNotFound, reason::kGuestNotFound,
                     absl::StrCat("guest '",
                                  absl::StripPrefix(request->name(), "guests/"),
                                  "' does not exist"))
            .Build();
      });
}

grpc::ServerUnaryReactor* GuestService::ListGuests(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return gate_.RawUnary<v1::ListGuestsRequest>(
      context, request, response,
      [&](const Permit& permit, const v1::ListGuestsRequest& parsed) {
        return list_.List(permit, parsed);
      });
}

grpc::ServerWriteReactor<v1::WatchGuestsResponse>* GuestService::WatchGuests(
    grpc::CallbackServerContext* context,
    const v1::WatchGuestsRequest* request) {
  return gate_.ServerStream<v1::WatchGuestsResponse>(
      context, request,
      [&](const Permit& permit,
          std::shared_ptr<StreamWriter<v1::WatchGuestsResponse>> stream) {
        absl::StatusOr<GuestWatch> watch =
            MakeGuestWatch(permit, *request, std::move(stream));
        if (!watch.ok()) return watch.status();
        inventory_.watches().Start(*std::move(watch));
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* GuestService::StartGuest(
    grpc::CallbackServerContext* context, const v1::StartGuestRequest* request,
    Operation* response) {
  return Operate(context, request, response);
}

grpc::ServerUnaryReactor* GuestService::StopGuest(
    grpc::CallbackServerContext* context, const v1::StopGuestRequest* request,
    Operation* response) {
  return Operate(context, request, response);
}

grpc::ServerUnaryReactor* GuestService::RebootGuest(
    grpc::CallbackServerContext* context, const v1::RebootGuestRequest* request,
    Operation* response) {
  return Operate(context, request, response);
}

grpc::ServerUnaryReactor* GuestService::PauseGuest(
    grpc::CallbackServerContext* context, const v1::PauseGuestRequest* request,
    v1::Guest* response) {
  return Forward(context, request, response);
}

grpc::ServerUnaryReactor* GuestService::ResumeGuest(
    grpc::CallbackServerContext* context, const v1::ResumeGuestRequest* request,
    v1::Guest* response) {
  return Forward(context, request, response);
}

grpc::ServerUnaryReactor* GuestService::DeleteGuest(
    grpc::CallbackServerContext* context, const v1::DeleteGuestRequest* request,
    Operation* response) {
  return Operate(context, request, response);
}

grpc::ServerUnaryReactor* GuestService::ExplainLaunch(
    grpc::CallbackServerContext* context,
    const v1::ExplainLaunchRequest* request,
    v1::ExplainLaunchResponse* response) {
  return gate_.UnaryAsync(
      context, request, response,
      [&](const Permit& permit, Completion<v1::ExplainLaunchResponse> done) {
        launcher_.Explain(permit, request->launch(), std::move(done));
      });
}

grpc::ServerUnaryReactor* GuestService::GetGuestSecurity(
    grpc::CallbackServerContext* context,
    const v1::GetGuestSecurityRequest* request, v1::GuestSecurity* response) {
  return gate_.UnaryAsync(context, request, response,
                          [&](const Permit& permit, const CallInfo& info,
                              Completion<v1::GuestSecurity> done) {
                            forwarder_.ForwardSecurity(permit, info, *request,
                                                       std::move(done));
                          });
}

}  // namespace innkeeper
