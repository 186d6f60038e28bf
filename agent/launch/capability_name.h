// Names of capabilities.
#ifndef INNKEEPER_AGENT_LAUNCH_CAPABILITY_NAME_H_
#define INNKEEPER_AGENT_LAUNCH_CAPABILITY_NAME_H_

#include <optional>

#include "absl/strings/string_view.h"

namespace innkeeper {

// The number of "net_admin"; nothing for a name that capabilities(7) of Debian
// 12 does not have.
std::optional<int> CapabilityNumber(absl::string_view name);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCH_CAPABILITY_NAME_H_
