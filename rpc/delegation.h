// What a server or gateway says about the call that it passes on: who made it
// and what it belongs to. It is one key of a call's metadata.
#ifndef INNKEEPER_RPC_DELEGATION_H_
#define INNKEEPER_RPC_DELEGATION_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace innkeeper {

// Accepted only from certificates of servers and gateways, and only once in a
// call. The receiver authorises `caller` by its own bindings.
struct Delegation {
  // The principal that the call is for: "user/alice".
  std::string caller;
  // The operation to use instead of a new one: "operations/{uuid}". May be
  // empty.
  std::string operation;
  // The guest that is meant, whatever its name is here. May be empty.
  std::string guest_uid;
  // Orders the servers' decisions about that guest; 0 if there is none.
  int64_t fencing_number = 0;
  // When the caller stops waiting.
  absl::Time deadline = absl::InfiniteFuture();
};

inline constexpr char kDelegationKey[] = "innkeeper-delegation-bin";

// The value of kDelegationKey: innkeeper.agent.v1.Delegation, serialised.
std::string EncodeDelegation(const Delegation& delegation);

// Input: untrusted. PERMISSION_DENIED (DELEGATION_REFUSED) if `bytes` is not a
// delegation or a part of it is malformed.
absl::StatusOr<Delegation> DecodeDelegation(absl::string_view bytes);

}  // namespace innkeeper

#endif  // INNKEEPER_RPC_DELEGATION_H_
