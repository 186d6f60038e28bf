#include "agent/service/operation_service.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "agent/service/convert.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "base/uuid.h"
#include "rpc/filter.h"
#include "rpc/operations_view.h"

namespace innkeeper {
namespace {

using google::longrunning::ListOperationsResponse;
using google::longrunning::Operation;
using google::protobuf::Empty;

constexpr int kMaxPage = 1000;
// Read at once while rows that the caller may not see are skipped.
constexpr size_t kBatch = 500;

}  // namespace

// The page token is the name of the last operation: nothing that the caller
// does not have.
absl::StatusOr<ListOperationsResponse> OperationService::ReadPage(
    const Permit& permit,
    const google::longrunning::ListOperationsRequest& request) const {
  ASSIGN_OR_RETURN(const Filter filter,
                   Filter::Parse(request.filter(), OperationSchema()));
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
                     store_.ListOperations(after, kBatch));
    for (const OperationRecord& record : batch) {
      after = record.name;
      ResourceAttributes attributes;
      attributes.name = record.name;
      attributes.owner = record.owner;
      attributes.host = host_;
      if (!permit.CanSee(attributes)) continue;
      ASSIGN_OR_RETURN(Operation shown, ToOperation(tracker_.Shown(record)));
      if (!filter.Matches(OperationFields(shown))) continue;
      *response.add_operations() = std::move(shown);
      if (response.operations_size() == size) {
        response.set_next_page_token(after);
        return response;
      }
    }
    if (batch.size() < kBatch) return response;
  }
}

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
        tracker_.Wait(request->name(),
                      WaitTime(*request, absl::Now(), info.deadline),
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
  return gate_.UnaryAsync(
      context, request, response,
      [&](const Permit& permit, Completion<Empty> done) {
        supervisor_.Cancel(
            permit, request->name(),
            [done = std::move(done)](absl::Status asked) mutable {
              if (!asked.ok()) return done(std::move(asked));
              done(Empty());
            });
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
