// What a server or gateway says of a call that it forwards.
#ifndef INNKEEPER_AUTH_DELEGATION_H_
#define INNKEEPER_AUTH_DELEGATION_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "auth/principal.h"

namespace innkeeper {

// The metadata key that carries one.
inline constexpr char kDelegationKey[] = "innkeeper-delegation-bin";

// A value.
struct Delegation {
  Principal caller;            // A user, a service or a local account.
  std::string operation;       // A UUID, or empty.
  std::string guest_uid;       // A UUID, or empty.
  int64_t fencing_number = 0;  // Not negative.
  absl::Time deadline = absl::InfiniteFuture();  // In whole microseconds.
};

// There is one form for each value.
std::string SerializeDelegation(const Delegation& delegation);

// The inverse. Input: untrusted. PERMISSION_DENIED (DELEGATION_REFUSED) for
// more than 1 KiB, for anything malformed, and for any other form of a value,
// which includes unknown fields.
absl::StatusOr<Delegation> ParseDelegation(absl::string_view bytes);

}  // namespace innkeeper

#endif  // INNKEEPER_AUTH_DELEGATION_H_
