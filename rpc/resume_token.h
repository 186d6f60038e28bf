// Where a stream of events was left: a place in the log of each host.
#ifndef INNKEEPER_RPC_RESUME_TOKEN_H_
#define INNKEEPER_RPC_RESUME_TOKEN_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace innkeeper {

// A place in one log.
struct ResumePoint {
  std::string host;      // The key of the log, 1 to 64 bytes.
  std::string epoch;     // 1 to 64 bytes; UUIDs take the least room.
  int64_t sequence = 0;  // The last event before the place. Not negative.

  friend bool operator==(const ResumePoint& a, const ResumePoint& b) {
    return a.host == b.host && a.epoch == b.epoch && a.sequence == b.sequence;
  }
};

inline constexpr size_t kMaxResumeTokenBytes = size_t{64} << 10;

// `points` as URL-safe text. RESOURCE_EXHAUSTED (MESSAGE_TOO_LARGE) if that is
// longer than kMaxResumeTokenBytes: about 1,500 hosts.
absl::StatusOr<std::string> EncodeResumeToken(
    const std::vector<ResumePoint>& points);

// Input: untrusted. INVALID_ARGUMENT (INVALID_RESUME_TOKEN) if it is no token,
// or names a host twice. A token gives no rights, so it is not sealed.
absl::StatusOr<std::vector<ResumePoint>> DecodeResumeToken(
    absl::string_view token);

}  // namespace innkeeper

#endif  // INNKEEPER_RPC_RESUME_TOKEN_H_
