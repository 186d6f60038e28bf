// On whose behalf a verb is carried out, and under which request.
#ifndef INNKEEPER_AGENT_SUPERVISOR_GUEST_CALLER_H_
#define INNKEEPER_AGENT_SUPERVISOR_GUEST_CALLER_H_

#include <string>

#include "absl/status/status.h"

namespace innkeeper {

struct GuestCaller {
  std::string principal;    // "user/operator"
  std::string method;       // "innkeeper.v1.Guests/LaunchGuest"
  std::string operation;    // "operations/UUID", chosen at the entry point.
  std::string request_id;   // A UUID, or empty: not to be remembered.
  std::string body_sha256;  // 32 bytes, of the request's bytes.
  std::string etag;         // What the caller read; empty: whatever there is.
  // Not OK: what a launch is refused with unless the same request was taken
  // before, when it may have been right.
  absl::Status refusal;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_SUPERVISOR_GUEST_CALLER_H_
