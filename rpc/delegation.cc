#include "rpc/delegation.h"

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "auth/principal.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/uuid.h"
#include "innkeeper/agent/v1/delegation.pb.h"

namespace innkeeper {
namespace {

constexpr int kMaxBytes = 4096;

absl::Status Refused(absl::string_view why) {
  return Error(absl::StatusCode::kPermissionDenied, reason::kDelegationRefused,
               absl::StrCat("the delegation was refused: ", why));
}

}  // namespace

std::string EncodeDelegation(const Delegation& delegation) {
  agent::v1::Delegation message;
  message.set_caller(delegation.caller);
  message.set_operation(delegation.operation);
  message.set_guest_uid(delegation.guest_uid);
  message.set_fencing_number(delegation.fencing_number);
  if (delegation.deadline < absl::InfiniteFuture()) {
    const int64_t nanos = absl::ToUnixNanos(delegation.deadline);
    message.mutable_deadline()->set_seconds(nanos / 1000000000);
    message.mutable_deadline()->set_nanos(
        static_cast<int32_t>(nanos % 1000000000));
  }
  return message.SerializeAsString();
}

absl::StatusOr<Delegation> DecodeDelegation(absl::string_view bytes) {
  agent::v1::Delegation message;
  if (bytes.size() > kMaxBytes ||
      !message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Refused("it does not parse");
  }
  const auto caller = Principal::Parse(message.caller());
  if (!caller.ok()) return Refused("its caller is no principal");
  absl::string_view operation = message.operation();
  if (!operation.empty() &&
      !(absl::ConsumePrefix(&operation, "operations/") && IsUuid(operation))) {
    return Refused("its operation is no operations/{uuid}");
  }
  if (!message.guest_uid().empty() && !IsUuid(message.guest_uid())) {
    return Refused("its guest_uid is no UUID");
  }
  if (message.fencing_number() < 0) {
    return Refused("its fencing number is negative");
  }
  Delegation delegation;
  delegation.caller = message.caller();
  delegation.operation = message.operation();
  delegation.guest_uid = message.guest_uid();
  delegation.fencing_number = message.fencing_number();
  if (message.has_deadline()) {
    // Until the year 9999, as in protobuf's own definition.
    constexpr int64_t kMaxSeconds = 253402300799;
    if (message.deadline().seconds() < 0 ||
        message.deadline().seconds() > kMaxSeconds ||
        message.deadline().nanos() < 0 ||
        message.deadline().nanos() > 999999999) {
      return Refused("its deadline is out of range");
    }
    delegation.deadline = absl::FromUnixSeconds(message.deadline().seconds()) +
                          absl::Nanoseconds(message.deadline().nanos());
  }
  return delegation;
}

}  // namespace innkeeper
