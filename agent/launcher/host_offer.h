// What this launcher, on this host, can give of a context.
#ifndef INNKEEPER_AGENT_LAUNCHER_HOST_OFFER_H_
#define INNKEEPER_AGENT_LAUNCHER_HOST_OFFER_H_

#include "agent/launch/context_offer.h"
#include "agent/launcher/context_config.h"

namespace innkeeper {

// What `config` allows and the running kernel has, the calling process's own
// limits being the bounds. Networks are left unknown: they come and go.
ContextOffer MakeHostOffer(const ContextConfig& config, bool io_limits);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_HOST_OFFER_H_
