#include "agent/service/operation_service.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "agent/service/convert.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "base/uuid.h"

namespace innkeeper {
namespace {

using google::longrunning::ListOperationsResponse;
using google::longrunning::Operation;
using google::protobuf::Empty;

constexpr int kMaxPage = 1000;
// Read at once while rows that the caller may not see are skipped.
constexpr size_t kBatch = 500;
constexpr absl::Duration kDefaultWait = absl::Seconds(30);
// So that the answer is on its way before the caller's deadline is over.
constexpr absl::Duration kMargin = absl::Milliseconds(200);

ResourceAttributes AttributesOf(const OperationRecord& operation) {
  ResourceAttributes attributes;
  attributes.name = operation.name;
  attributes.owner = operation.owner;
  return attributes;
}

// The page token is the name of the last operation: nothing that the caller
// does not have.
absl::StatusOr<ListOperationsResponse> ReadPage(
    AgentStore& store, const Permit& permit,
    const google::longrunning::ListOperationsRequest& request) {
  if (!request.filter().empty()) {
    return Error(absl::StatusCode::kInvalidArgument, reason::kInvalidFilter,
                 "operations cannot be filtered; leave the filter out")
        .Field("filter", "must be empty")
        .Build();
  }
  std::string after = request.page_token();
  if (!after.empty() && !IsUuid(after.substr(after.find('/') + 1))) {
    return Error(absl::StatusCode::kInvalidArgument, reason::kInvalidPageToken,
                 "the page token is not from this list")
        .Field("page_token", "must be a next_page_token")
        .Build();
  }
  const int size = request.page_size() <= 0
                       ? kMaxPage
                       : std::min(request.page_size(), kMaxPage);
  ListOperationsResponse response;
  while (true) {
    ASSIGN_OR_RETURN(const std::vector<OperationRecord> batch,
                     store.ListOperations(after, kBatch));
    for (const OperationRecord& record : batch) {
      after = record.name;
      if (!permit.CanSee(AttributesOf(record))) continue;
      ASSIGN_OR_RETURN(*response.add_operations(), ToOperation(record));
      if (response.operations_size() == size) {
        response.set_next_page_token(after);
        return response;
      }
    }
    if (batch.size() < kBatch) return response;
  }
}

}  // namespace

grpc::ServerUnaryReactor* OperationService::GetOperation(
    grpc::CallbackServerContext* context,
    const google::longrunning::GetOperationRequest* request,
    Operation* response) {
  return gate_.Unary(context, request, response,
                     [&](const Permit&) -> absl::StatusOr<Operation> {
                       ASSIGN_OR_RETURN(const OperationRecord record,
                                        tracker_.Get(request->name()));
                       return ToOperation(record);
                     });
}

grpc::ServerUnaryReactor* OperationService::ListOperations(
    grpc::CallbackServerContext* context,
    const google::longrunning::ListOperationsRequest* request,
    ListOperationsResponse* response) {
  return gate_.Unary(context, request, response, [&](const Permit& permit) {
    return ReadPage(store_, permit, *request);
  });
}

grpc::ServerUnaryReactor* OperationService::WaitOperation(
    grpc::CallbackServerContext* context,
    const google::longrunning::WaitOperationRequest* request,
    Operation* response) {
  return gate_.UnaryAsync(
      context, request, response,
      [&](const Permit&, const CallInfo& info, Completion<Operation> done) {
        absl::Duration timeout =
            request->has_timeout()
                ? absl::Seconds(request->timeout().seconds()) +
                      absl::Nanoseconds(request->timeout().nanos())
                : kDefaultWait;
        timeout = std::min(timeout, info.deadline - absl::Now() - kMargin);
        tracker_.Wait(request->name(), timeout,
                      [done = std::move(done)](
                          absl::StatusOr<OperationRecord> record) mutable {
                        if (!record.ok()) return done(record.status());
                        done(ToOperation(*record));
                      });
      });
}

grpc::ServerUnaryReactor* OperationService::CancelOperation(
    grpc::CallbackServerContext* context,
    const google::longrunning::CancelOperationRequest* request,
    Empty* response) {
  return gate_.Unary(
      context, request, response, [&](const Permit&) -> absl::StatusOr<Empty> {
        return Error(absl::StatusCode::kFailedPrecondition,
                     reason::kOperationNotCancellable,
                     absl::StrCat(request->name(),
                                  " cannot be cancelled; stop its guest by "
                                  "force instead"))
            .With("operation", request->name())
            .Build();
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
                     "cannot be deleted before");
      });
}

}  // namespace innkeeper
