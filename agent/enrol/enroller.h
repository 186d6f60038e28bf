// Brings this host into a cluster with a one-time token.
#ifndef INNKEEPER_AGENT_ENROL_ENROLLER_H_
#define INNKEEPER_AGENT_ENROL_ENROLLER_H_

#include "absl/status/status.h"
#include "agent/config/agent_config.h"

namespace innkeeper {

// Does nothing where the host has its certificate, or no token is configured.
// Else makes a key that only we can read, has the server that the token names
// sign it, and writes the roots and, last, the certificate. A key that is there
// is used: so an enrolment that broke off, on either side, is gone on with.
// The token's addresses are tried in turn for 60 s. FAILED_PRECONDITION
// (ENROLMENT_TOKEN_REFUSED) for a token that is bad or was used; UNAVAILABLE
// (HOST_UNREACHABLE) if no server answers. Blocks meanwhile.
absl::Status EnrolIfNeeded(const AgentConfig& config);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_ENROL_ENROLLER_H_
