// One thing that was looked at to see if a guest is confined as asked.
#ifndef INNKEEPER_AGENT_SECURITY_SECURITY_CHECK_H_
#define INNKEEPER_AGENT_SECURITY_SECURITY_CHECK_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "agent/guest/guest_record.h"

namespace innkeeper {

enum class SecurityVerdict : uint8_t {
  kSame,
  kDifferent,
  kUnknown,      // Could not be read; `actual` says why.
  kInformation,  // Nothing was asked.
};

struct SecurityCheck {
  std::string id;      // Stable: "capabilities.effective".
  std::string what;    // For people.
  std::string asked;   // What it should be.
  std::string actual;  // What it is.
  SecurityVerdict verdict = SecurityVerdict::kUnknown;
  std::string source;  // Where it was read: "/proc/PID/status, CapEff".
};

// What was found out about one guest.
struct SecurityReport {
  GuestProcess process;  // The one that was looked at.
  absl::Time time = absl::UnixEpoch();
  std::vector<SecurityCheck> checks;  // In a stable order.
};

// Whether none of `checks` is different or unknown.
inline bool AllAsAsked(const std::vector<SecurityCheck>& checks) {
  for (const SecurityCheck& check : checks) {
    if (check.verdict == SecurityVerdict::kDifferent ||
        check.verdict == SecurityVerdict::kUnknown) {
      return false;
    }
  }
  return true;
}

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_SECURITY_SECURITY_CHECK_H_
