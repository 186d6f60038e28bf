// What a handler may know of the call it serves, beside its permit.
#ifndef INNKEEPER_RPC_CALL_INFO_H_
#define INNKEEPER_RPC_CALL_INFO_H_

#include <optional>
#include <string>

#include "absl/time/time.h"
#include "auth/delegation.h"

namespace innkeeper {

struct CallInfo {
  // "innkeeper.v1.Guests/StartGuest".
  std::string method;
  // When the answer stops mattering: the client's deadline, cut to the gate's
  // limits.
  absl::Time deadline = absl::InfiniteFuture();
  // Present if a server or gateway passed the call on.
  std::optional<Delegation> delegation;
};

}  // namespace innkeeper

#endif  // INNKEEPER_RPC_CALL_INFO_H_
