// Brings this host into a cluster with a one-time token.
#ifndef INNKEEPER_AGENT_ENROL_ENROLLER_H_
#define INNKEEPER_AGENT_ENROL_ENROLLER_H_

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "agent/config/agent_config.h"

namespace innkeeper {

// Does nothing where the host has its certificate, or no token is configured.
// Else makes a key that only we can read, has the server that the token names
// sign it, and writes the roots and, last, the certificate. A key that is there
// is used: so an enrolment that broke off, on either side, is gone on with.
// The token's addresses are tried in turn for `patience`. INVALID_ARGUMENT or
// PERMISSION_DENIED (ENROLMENT_TOKEN_REFUSED) for a token that is bad, has
// expired or was used; UNAVAILABLE (HOST_UNREACHABLE) if no server answers that
// the token's root vouches for. Blocks meanwhile.
absl::Status EnrolIfNeeded(const AgentConfig& config,
                           absl::Duration patience = absl::Seconds(60));

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_ENROL_ENROLLER_H_
