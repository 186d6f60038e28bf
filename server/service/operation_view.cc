#include "server/service/operation_view.h"

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "base/error.h"
#include "base/reason.h"
#include "innkeeper/v1/guests.pb.h"
#include "rpc/status_map.h"
#include "rpc/timestamp.h"

namespace innkeeper {

using google::longrunning::Operation;

std::string VerbOf(absl::string_view method) {
  method.remove_prefix(method.rfind('/') + 1);
  return absl::AsciiStrToLower(absl::StripSuffix(method, "Guest"));
}

absl::StatusOr<Operation> ToOperation(const ClusterOperation& operation) {
  v1::GuestOperationMetadata metadata;
  metadata.set_verb(VerbOf(operation.method));
  metadata.set_guest(absl::StrCat("guests/", operation.guest));
  metadata.set_guest_uid(operation.guest_uid);
  if (!operation.host.empty()) {
    metadata.set_host(absl::StrCat("hosts/", operation.host));
  }
  metadata.set_caller(operation.caller);
  metadata.set_step(operation.step);
  *metadata.mutable_create_time() = ToTimestamp(operation.create_time);
  if (operation.done) {
    *metadata.mutable_end_time() = ToTimestamp(operation.done_time);
  }
  Operation shown;
  shown.set_name(operation.name);
  shown.mutable_metadata()->PackFrom(metadata);
  shown.set_done(operation.done);
  if (!operation.done) return shown;
  if (!operation.error.ok()) {
    *shown.mutable_error() = ToRpcStatus(operation.error);
  } else if (!shown.mutable_response()->ParseFromString(operation.response)) {
    return Error(absl::StatusCode::kDataLoss, reason::kInternal,
                 absl::StrCat("the response of ", operation.name,
                              " cannot be read"))
        .With("operation", operation.name)
        .Build();
  }
  return shown;
}

std::string StepOf(const Operation& operation) {
  v1::GuestOperationMetadata metadata;
  if (!operation.metadata().Is<v1::GuestOperationMetadata>() ||
      !operation.metadata().UnpackTo(&metadata)) {
    return "";
  }
  return metadata.step();
}

absl::StatusOr<std::string> ResultOf(const Operation& operation) {
  if (operation.has_error()) {
    const absl::Status error = FromRpcStatus(operation.error());
    if (!error.ok()) return error;
    return absl::InternalError("an operation failed without an error");
  }
  return operation.response().SerializeAsString();
}

}  // namespace innkeeper
