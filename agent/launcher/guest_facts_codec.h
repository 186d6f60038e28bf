// GuestFacts as the body of a reply.
#ifndef INNKEEPER_AGENT_LAUNCHER_GUEST_FACTS_CODEC_H_
#define INNKEEPER_AGENT_LAUNCHER_GUEST_FACTS_CODEC_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/launch/guest_facts.h"

namespace innkeeper {

// Facts beyond the bounds of guest_facts.h are left out, the last first.
std::string EncodeGuestFacts(const GuestFacts& facts);

// Input: untrusted. INVALID_ARGUMENT (INVALID_REQUEST) if `body` is not exactly
// one well-formed value.
absl::StatusOr<GuestFacts> DecodeGuestFacts(absl::string_view body);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_GUEST_FACTS_CODEC_H_
