// What confines a guest, as the API says it.
#ifndef INNKEEPER_AGENT_SERVICE_SECURITY_CONVERT_H_
#define INNKEEPER_AGENT_SERVICE_SECURITY_CONVERT_H_

#include <string>

#include "agent/security/security_check.h"
#include "innkeeper/v1/guests.pb.h"

namespace innkeeper {

// `guest` is "guests/web", `host` "hosts/h1", `owner` "user/alice".
v1::GuestSecurity ToGuestSecurity(const SecurityReport& report,
                                  const std::string& guest,
                                  const std::string& host,
                                  const std::string& owner);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_SERVICE_SECURITY_CONVERT_H_
