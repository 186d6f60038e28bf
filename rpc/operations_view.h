// What both Operations services have in common.
#ifndef INNKEEPER_RPC_OPERATIONS_VIEW_H_
#define INNKEEPER_RPC_OPERATIONS_VIEW_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "google/longrunning/operations.pb.h"
#include "rpc/field_schema.h"

namespace innkeeper {

// "operations/UUID" for a UUID.
std::string ToOperationName(absl::string_view id);

// The UUID of "operations/UUID". INVALID_ARGUMENT for any other name.
absl::StatusOr<std::string> ParseOperationName(absl::string_view name);

// NOT_FOUND (OPERATION_NOT_FOUND), in the same words whether it is absent or
// not for the caller.
absl::Status OperationNotFound(absl::string_view name);

// What ListOperationsRequest.filter may name: name, done, verb, guest,
// guest_uid, host, caller, step, create_time, end_time.
FieldSchema OperationSchema();

// Reads the fields of OperationSchema() from an operation whose metadata is a
// GuestOperationMetadata. A value that owns what it shows.
class OperationFields final : public FieldSource {
 public:
  explicit OperationFields(const google::longrunning::Operation& operation);
  FieldValue Get(absl::string_view path) const override;

 private:
  std::string name_;
  bool done_;
  std::string verb_;
  std::string guest_;
  std::string guest_uid_;
  std::string host_;
  std::string caller_;
  std::string step_;
  FieldValue create_time_;
  FieldValue end_time_;
};

// How long WaitOperation waits: the request's timeout, at most until half a
// second before the call's deadline, so that the answer still arrives.
absl::Duration WaitTime(
    const google::longrunning::WaitOperationRequest& request, absl::Time now,
    absl::Time deadline);

}  // namespace innkeeper

#endif  // INNKEEPER_RPC_OPERATIONS_VIEW_H_
