// Compares what confines a guest with what was asked for.
#ifndef INNKEEPER_AGENT_SECURITY_SECURITY_REVIEW_H_
#define INNKEEPER_AGENT_SECURITY_SECURITY_REVIEW_H_

#include <vector>

#include "agent/launch/guest_facts.h"
#include "agent/security/asked_context.h"
#include "agent/security/security_check.h"

namespace innkeeper {

// Every check, always the same ones in the same order, whatever was read. Pure.
// Input: `facts` are untrusted. What was not read is UNKNOWN and never taken
// for what it should be; a limit that is lower than asked is as asked.
std::vector<SecurityCheck> ReviewSecurity(const AskedContext& asked,
                                          const GuestFacts& facts);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_SECURITY_SECURITY_REVIEW_H_
