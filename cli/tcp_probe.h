// Whether anything listens at an address.
#ifndef INNKEEPER_CLI_TCP_PROBE_H_
#define INNKEEPER_CLI_TCP_PROBE_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace innkeeper {

// Connects to `address` (host:port, [ipv6]:port or unix:PATH) and hangs up.
// Blocks for `timeout` for each address that the name has, and for name
// resolution. INVALID_ARGUMENT for what is no address, else UNAVAILABLE.
absl::Status ProbeListener(absl::string_view address, absl::Duration timeout);

}  // namespace innkeeper

#endif  // INNKEEPER_CLI_TCP_PROBE_H_
