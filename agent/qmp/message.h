// What a JSON object from a monitor means.
//
// Input: untrusted.
#ifndef INNKEEPER_AGENT_QMP_MESSAGE_H_
#define INNKEEPER_AGENT_QMP_MESSAGE_H_

#include <cstdint>
#include <string>
#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/qmp/event.h"
#include "agent/qmp/version.h"
#include "nlohmann/json.hpp"

namespace innkeeper {

// The first message of a connection.
struct QmpGreeting {
  QmpVersion version;
};

// The answer to the command with this id.
struct QmpReturn {
  uint64_t id = 0;
  nlohmann::json value;
};
struct QmpFailure {
  uint64_t id = 0;
  std::string error_class;  // At most 1,024 printable bytes each.
  std::string description;
};

using QmpMessage = std::variant<QmpGreeting, QmpReturn, QmpFailure, QmpEvent>;

// Tells what `message` is. UNAVAILABLE (MONITOR_PROTOCOL) if it is none of the
// four, or more than one, or has no id where one belongs. Thread-safe.
absl::StatusOr<QmpMessage> InterpretQmpMessage(nlohmann::json message);

// UNAVAILABLE (MONITOR_PROTOCOL): the peer did `what`, a clause such as "it
// greeted twice".
absl::Status QmpProtocolError(absl::string_view what);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_QMP_MESSAGE_H_
