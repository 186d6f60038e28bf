// Contexts: the agent's domain values <-> the API's messages.
#ifndef INNKEEPER_AGENT_SERVICE_CONTEXT_CONVERT_H_
#define INNKEEPER_AGENT_SERVICE_CONTEXT_CONVERT_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/context/context_record.h"
#include "agent/context/context_spec.h"
#include "agent/guest/guest_spec.h"
#include "base/error.h"
#include "innkeeper/v1/contexts.pb.h"
#include "innkeeper/v1/guests.pb.h"

namespace innkeeper {

v1::ContextSpec ToContextSpec(const ContextSpec& spec);
// `host` is "hosts/h1".
v1::Context ToContext(const ContextRecord& context, const std::string& host);

// What a ContextSpec cannot even hold (an unknown enum value, a kind of
// namespace that comes twice) goes into `faults`, with paths under `prefix`.
ContextSpec ParseContextSpec(const v1::ContextSpec& message,
                             const std::string& prefix,
                             std::vector<FieldViolation>* faults);

// The fields `context` and `context_parts` of a guest's spec.
void ParseSpecContext(const v1::GuestSpec& message, const std::string& prefix,
                      GuestSpec* spec, std::vector<FieldViolation>* faults);

// A new record, without creator, time and etag. INVALID_ARGUMENT with every
// fault at once.
absl::StatusOr<ContextRecord> ParseContext(
    const v1::CreateContextRequest& request);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_SERVICE_CONTEXT_CONVERT_H_
