#include "server/service/operation_service.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "auth/delegation.h"
#include "base/completion.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "rpc/filter.h"
#include "rpc/operations_view.h"
#include "server/hosts/agent_client.h"
#include "server/hosts/host_directory.h"
#include "server/inventory/cluster_resolver.h"
#include "server/service/operation_view.h"

namespace innkeeper {
namespace {

using google::longrunning::ListOperationsResponse;
using google::longrunning::Operation;
using google::protobuf::Empty;

constexpr int kMaxPage = 1000;
constexpr char kList[] = "google.longrunning.Operations/ListOperations";

absl::Status NotCancellable(absl::string_view operation,
                            absl::string_view why) {
  return Error(absl::StatusCode::kFailedPrecondition,
               reason::kOperationNotCancellable,
               absl::StrCat(operation, " cannot be cancelled: ", why,
                            "; look at it again, or stop its guest by force"))
      .With("operation", operation);
}

// The place after an operation, as the payload of a page token.
std::string PlaceAfter(const ClusterOperation& operation) {
  return absl::StrCat(absl::ToUnixMicros(operation.create_time), " ",
                      operation.name);
}

absl::StatusOr<ClusterOperation> ParsePlace(const std::string& payload) {
  const std::pair<std::string, std::string> parts =
      absl::StrSplit(payload, absl::MaxSplits(' ', 1));
  int64_t micros = 0;
  if (!absl::SimpleAtoi(parts.first, &micros)) {
    return absl::InternalError(
        "a page token that was sealed here is malformed");
  }
  ClusterOperation place;
  place.create_time = absl::FromUnixMicros(micros);
  place.name = parts.second;
  return place;
}

}  // namespace

absl::StatusOr<ListOperationsResponse> OperationService::ReadPage(
    const Permit& permit,
    const google::longrunning::ListOperationsRequest& request) const {
  ASSIGN_OR_RETURN(const Filter filter,
                   Filter::Parse(request.filter(), OperationSchema()));
  const std::string binding =
      PageTokenBinding(kList, permit.caller().principal.ToString(), request);
  std::optional<ClusterOperation> after;
  if (!request.page_token().empty()) {
    ASSIGN_OR_RETURN(const std::string payload,
                     sealer_.Open(request.page_token(), binding));
    ASSIGN_OR_RETURN(after, ParsePlace(payload));
  }
  const int size = request.page_size() <= 0
                       ? kMaxPage
                       : std::min(request.page_size(), kMaxPage);
  const std::vector<OperationManager::Entry> page = operations_.List(
      [&](const ClusterOperation& operation) {
        if (!permit.CanSee(AttributesOf(operation))) return false;
        if (filter.matches_all()) return true;
        const absl::StatusOr<Operation> shown = ToOperation(operation);
        return shown.ok() && filter.Matches(OperationFields(*shown));
      },
      size, after.has_value() ? &*after : nullptr);
  ListOperationsResponse response;
  for (const OperationManager::Entry& operation : page) {
    ASSIGN_OR_RETURN(*response.add_operations(), ToOperation(*operation));
  }
  if (static_cast<int>(page.size()) == size) {
    response.set_next_page_token(
        sealer_.Seal(PlaceAfter(*page.back()), binding));
  }
  return response;
}

grpc::ServerUnaryReactor* OperationService::GetOperation(
    grpc::CallbackServerContext* context,
    const google::longrunning::GetOperationRequest* request,
    Operation* response) {
  return gate_.Unary(context, request, response,
                     [&](const Permit&) -> absl::StatusOr<Operation> {
                       const OperationManager::Entry operation =
                           operations_.Find(request->name());
                       if (operation == nullptr) {
                         return OperationNotFound(request->name());
                       }
                       return ToOperation(*operation);
                     });
}

grpc::ServerUnaryReactor* OperationService::ListOperations(
    grpc::CallbackServerContext* context,
    const google::longrunning::ListOperationsRequest* request,
    ListOperationsResponse* response) {
  return gate_.Unary(context, request, response, [&](const Permit& permit) {
    return ReadPage(permit, *request);
  });
}

grpc::ServerUnaryReactor* OperationService::WaitOperation(
    grpc::CallbackServerContext* context,
    const google::longrunning::WaitOperationRequest* request,
    Operation* response) {
  return gate_.UnaryAsync(
      context, request, response,
      [&](const Permit&, const CallInfo& info, Completion<Operation> done) {
        operations_.Wait(
            request->name(), WaitTime(*request, absl::Now(), info.deadline),
            [done = std::move(done)](
                absl::StatusOr<ClusterOperation> operation) mutable {
              if (!operation.ok()) return done(operation.status());
              done(ToOperation(*operation));
            });
      });
}

grpc::ServerUnaryReactor* OperationService::CancelOperation(
    grpc::CallbackServerContext* context,
    const google::longrunning::CancelOperationRequest* request,
    Empty* response) {
  return gate_.UnaryAsync(
      context, request, response,
      [&](const Permit& permit, const CallInfo& info, Completion<Empty> done) {
        const OperationManager::Entry operation =
            operations_.Find(request->name());
        if (operation == nullptr) {
          return done(OperationNotFound(request->name()));
        }
        Cancel(permit, info, *operation, *request, std::move(done));
      });
}

void OperationService::Cancel(
    const Permit& permit, const CallInfo& info,
    const ClusterOperation& operation,
    const google::longrunning::CancelOperationRequest& request,
    Completion<Empty> done) {
  if (operation.done) {
    return done(NotCancellable(operation.name, "it has ended"));
  }
  const absl::Status reachable = inventory_.CheckReachable(operation.host);
  const std::shared_ptr<AgentClient> client =
      inventory_.FindClient(operation.host);
  if (!reachable.ok()) return done(reachable);
  // It may have been removed between the two.
  if (client == nullptr) return done(HostNotFoundError(operation.host));
  const Delegation delegation{permit.caller().principal, "",
                              operation.guest_uid,
                              inventory_.FencingNumber(operation.host)};
  CallAgent<Empty>(
      *client, info.method, request, delegation, info.deadline - absl::Now(),
      [name = operation.name, host = operation.host,
       done = std::move(done)](const absl::StatusOr<Empty>& answer) mutable {
        if (absl::IsNotFound(answer.status())) {
          return done(NotCancellable(name, "its host has not taken it on yet"));
        }
        if (!answer.ok()) return done(ToHostError(host, answer.status()));
        done(Empty());
      });
}

grpc::ServerUnaryReactor* OperationService::DeleteOperation(
    grpc::CallbackServerContext* context,
    const google::longrunning::DeleteOperationRequest* request,
    Empty* response) {
  return gate_.Unary(
      context, request, response, [&](const Permit&) -> absl::StatusOr<Empty> {
        return Error(absl::StatusCode::kUnimplemented, reason::kNotImplemented,
                     "operations are kept for 30 days and then deleted; they "
                     "cannot be deleted before")
            .Build();
      });
}

}  // namespace innkeeper
