#include "auth/delegation.h"

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "auth/delegation.pb.h"
#include "auth/principal.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/uuid.h"

namespace innkeeper {
namespace {

constexpr size_t kMaxBytes = 1024;

absl::Status Refused(absl::string_view why) {
  return Error(absl::StatusCode::kPermissionDenied, reason::kDelegationRefused,
               absl::StrCat("the forwarded call is refused: ", why));
}

bool MayBeForwarded(PrincipalKind kind) {
  return kind == PrincipalKind::kUser || kind == PrincipalKind::kService ||
         kind == PrincipalKind::kLocal;
}

bool IsUuidOrEmpty(const std::string& text) {
  return text.empty() || IsUuid(text);
}

}  // namespace

std::string SerializeDelegation(const Delegation& delegation) {
  auth::v1::Delegation message;
  message.set_caller(delegation.caller.ToString());
  message.set_operation(delegation.operation);
  message.set_guest_uid(delegation.guest_uid);
  message.set_fencing_number(delegation.fencing_number);
  if (delegation.deadline != absl::InfiniteFuture()) {
    message.set_deadline_unix_us(absl::ToUnixMicros(delegation.deadline));
  }
  // Without maps and unknown fields this is one form: fields in their order.
  return message.SerializeAsString();
}

absl::StatusOr<Delegation> ParseDelegation(absl::string_view bytes) {
  if (bytes.size() > kMaxBytes) return Refused("its delegation is too long");
  auth::v1::Delegation message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Refused("its delegation is malformed");
  }
  // Unknown fields would otherwise come back out as they went in.
  message.DiscardUnknownFields();
  if (message.SerializeAsString() != bytes) {
    return Refused("its delegation is not in canonical form");
  }
  const absl::StatusOr<Principal> caller = Principal::Parse(message.caller());
  if (!caller.ok()) return Refused("its delegation names no caller");
  if (!MayBeForwarded(caller->kind())) {
    return Refused(absl::StrCat("nobody may act for ", caller->ToString()));
  }
  if (!IsUuidOrEmpty(message.operation()) ||
      !IsUuidOrEmpty(message.guest_uid())) {
    return Refused("its delegation has a name that is no UUID");
  }
  if (message.fencing_number() < 0 || message.deadline_unix_us() < 0) {
    return Refused("its delegation has a negative number");
  }
  Delegation delegation{*caller, message.operation(), message.guest_uid(),
                        message.fencing_number(), absl::InfiniteFuture()};
  if (message.deadline_unix_us() != 0) {
    delegation.deadline = absl::FromUnixMicros(message.deadline_unix_us());
  }
  return delegation;
}

}  // namespace innkeeper
