// One attachment to the serial console of a guest.
#ifndef INNKEEPER_CLI_CONSOLE_SESSION_H_
#define INNKEEPER_CLI_CONSOLE_SESSION_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "cli/session.h"

namespace innkeeper {

struct ConsoleOptions {
  std::string guest;  // Full name.
  bool read_only = false;
  // The key that detaches. None: nothing typed does.
  std::optional<char> escape = '\x1d';
  // Detach once the guest has written this. Empty: do not look.
  std::string until;
  // Detach after this long.
  absl::Duration timeout = absl::InfiniteDuration();
};

// "^]" → 0x1d, "x" → 'x', "none" → none. INVALID_ARGUMENT for anything else.
absl::StatusOr<std::optional<char>> ParseEscape(absl::string_view text);

// Joins standard input and output with the guest until the escape key, the end
// of a piped input, the end of the guest, `until` or `timeout`; blocks. What
// the guest writes is not neutralised: this is its terminal.
//
// A piped input that ends detaches a second later, for the answer to come back,
// unless `until` or `timeout` says when. DEADLINE_EXCEEDED where the guest did
// not write `until` in time; a timeout alone is fine.
absl::Status AttachConsole(Session& session, const ConsoleOptions& options);

}  // namespace innkeeper

#endif  // INNKEEPER_CLI_CONSOLE_SESSION_H_
