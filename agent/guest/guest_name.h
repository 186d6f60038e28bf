// The names of guests: `guests/{guest}` and the id in it.
#ifndef INNKEEPER_AGENT_GUEST_GUEST_NAME_H_
#define INNKEEPER_AGENT_GUEST_GUEST_NAME_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
// For IsGuestId: an id names files and control groups as well.
#include "agent/launch/launch_plan.h"

namespace innkeeper {

// "guests/web" for "web".
std::string ToGuestName(absl::string_view id);

// "web" for "guests/web". INVALID_ARGUMENT, naming `field`, for anything else.
absl::StatusOr<std::string> ParseGuestName(absl::string_view name,
                                           absl::string_view field);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_GUEST_GUEST_NAME_H_
