// The lines of an audit log and the hashes that chain them.
#ifndef INNKEEPER_AUTH_AUDIT_LINE_H_
#define INNKEEPER_AUTH_AUDIT_LINE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace innkeeper {

// What a reader needs of a line. A value.
struct AuditLine {
  int64_t sequence = 0;
  std::string previous;  // The hash that it says was before it; empty: first.
  std::string hash;      // Its own.
};

// `body` is a JSON object "{...}" with a sequence and previous; the result has
// its hash added and no newline.
std::string SealAuditLine(absl::string_view body);

// Reads a line without its newline. Input: untrusted. DATA_LOSS if it is no
// record or its hash is not that of its text.
absl::StatusOr<AuditLine> ParseAuditLine(absl::string_view line);

}  // namespace innkeeper

#endif  // INNKEEPER_AUTH_AUDIT_LINE_H_
