// A LaunchContext among the messages of protocol.h.
#ifndef INNKEEPER_AGENT_LAUNCHER_CONTEXT_WIRE_H_
#define INNKEEPER_AGENT_LAUNCHER_CONTEXT_WIRE_H_

#include "agent/launch/launch_context.h"
#include "agent/launcher/wire.h"

namespace innkeeper {

void WriteContext(const LaunchContext& context, WireWriter& out);

// Input: untrusted; what was read is within ValidateContext()'s counts, and not
// yet checked for more. `in` fails on anything that WriteContext() never
// writes.
LaunchContext ReadContext(WireReader& in);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_CONTEXT_WIRE_H_
