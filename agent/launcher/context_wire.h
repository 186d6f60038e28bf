// A LaunchContext and a ContextOffer among the messages of protocol.h.
#ifndef INNKEEPER_AGENT_LAUNCHER_CONTEXT_WIRE_H_
#define INNKEEPER_AGENT_LAUNCHER_CONTEXT_WIRE_H_

#include "agent/launch/context_offer.h"
#include "agent/launch/launch_context.h"
#include "agent/launcher/wire.h"

namespace innkeeper {

void WriteContext(const LaunchContext& context, WireWriter& out);

// Input: untrusted; what was read is within ValidateContext()'s counts, and not
// yet checked for more. `in` fails on anything that WriteContext() never
// writes.
LaunchContext ReadContext(WireReader& in);

// No list of `offer` is longer than kMaxOffered.
void WriteOffer(const ContextOffer& offer, WireWriter& out);
ContextOffer ReadOffer(WireReader& in);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_CONTEXT_WIRE_H_
