#include "agent/service/context_service.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "agent/context/context_record.h"
#include "agent/service/context_convert.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "catalog/context_list.h"
#include "google/protobuf/empty.pb.h"

namespace innkeeper {
namespace {

using google::protobuf::Empty;

// The gate has seen that the name is one.
std::string IdOf(const std::string& name) {
  return std::string(absl::StripPrefix(name, "contexts/"));
}

}  // namespace

absl::Status ContextService::CheckHost(const std::string& asked_host) const {
  if (asked_host.empty() || asked_host == host_) return absl::OkStatus();
  return Error(absl::StatusCode::kFailedPrecondition, reason::kHostNotFound,
               absl::StrCat("this is the agent of ", host_, ", not of ",
                            asked_host, "; ask the server"))
      .With("host", asked_host);
}

absl::Status ContextService::CheckChange(const Permit& permit,
                                         const std::string& asked_host) const {
  if (!permit.Administers(host_)) {
    const std::string caller = permit.caller().principal.ToString();
    return Error(absl::StatusCode::kPermissionDenied, reason::kPermissionDenied,
                 absl::StrCat(caller, " does not administer ", host_,
                              "; ask an administrator of it"))
        .With("principal", caller)
        .With("permission", permit.permission());
  }
  return CheckHost(asked_host);
}

grpc::ServerUnaryReactor* ContextService::CreateContext(
    grpc::CallbackServerContext* context,
    const v1::CreateContextRequest* request, v1::Context* response) {
  return gate_.UnaryAsync(
      context, request, response,
      [&](const Permit& permit, Completion<v1::Context> done) {
        const absl::Status allowed = CheckChange(permit, request->host());
        if (!allowed.ok()) return done(allowed);
        absl::StatusOr<ContextRecord> record = ParseContext(*request);
        if (!record.ok()) return done(record.status());
        const absl::Status given =
            access_.CheckAvailable(record->spec, "", "context.spec");
        if (!given.ok()) return done(given);
        book_.Create(permit, *std::move(record),
                     [host = host_, done = std::move(done)](
                         absl::StatusOr<ContextPtr> made) mutable {
                       if (!made.ok()) return done(made.status());
                       done(ToContext(**made, host));
                     });
      });
}

grpc::ServerUnaryReactor* ContextService::GetContext(
    grpc::CallbackServerContext* context, const v1::GetContextRequest* request,
    v1::Context* response) {
  return gate_.Unary(context, request, response,
                     [&](const Permit& permit) -> absl::StatusOr<v1::Context> {
                       RETURN_IF_ERROR(CheckHost(request->host()));
                       const std::string id = IdOf(request->name());
                       const ContextPtr found = book_.Find(id);
                       if (found == nullptr || !access_.Sees(permit, *found)) {
                         return NoSuchContext(id);
                       }
                       return ToContext(*found, host_);
                     });
}

grpc::ServerUnaryReactor* ContextService::ListContexts(
    grpc::CallbackServerContext* context,
    const v1::ListContextsRequest* request,
    v1::ListContextsResponse* response) {
  return gate_.Unary(context, request, response,
                     [&](const Permit& permit, const CallInfo& info) {
                       std::vector<v1::Context> seen;
                       for (const ContextPtr& one : book_.All()) {
                         if (access_.Sees(permit, *one))
                           seen.push_back(ToContext(*one, host_));
                       }
                       return PageOfContexts(sealer_, permit, info.method,
                                             *request, std::move(seen));
                     });
}

grpc::ServerUnaryReactor* ContextService::DeleteContext(
    grpc::CallbackServerContext* context,
    const v1::DeleteContextRequest* request, Empty* response) {
  return gate_.UnaryAsync(
      context, request, response,
      [&](const Permit& permit, Completion<Empty> done) {
        const absl::Status allowed = CheckChange(permit, request->host());
        if (!allowed.ok()) return done(allowed);
        book_.Delete(permit, IdOf(request->name()), request->etag(),
                     [done = std::move(done)](absl::Status status) mutable {
                       if (!status.ok()) return done(std::move(status));
                       done(Empty());
                     });
      });
}

}  // namespace innkeeper
