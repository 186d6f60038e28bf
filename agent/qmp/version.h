// Which QEMU answers.
#ifndef INNKEEPER_AGENT_QMP_VERSION_H_
#define INNKEEPER_AGENT_QMP_VERSION_H_

#include <optional>
#include <string>

#include "nlohmann/json.hpp"

namespace innkeeper {

struct QmpVersion {
  int major = 0;
  int minor = 0;
  int micro = 0;
  std::string package;  // The distributor's; at most 128 printable bytes.
};

// Reads {"qemu": {"major", "minor", "micro"}, "package"}, as the greeting and
// query-version give it. Nullopt if it has another shape.
// Input: untrusted. Thread-safe.
std::optional<QmpVersion> ParseQmpVersion(const nlohmann::json& value);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_QMP_VERSION_H_
