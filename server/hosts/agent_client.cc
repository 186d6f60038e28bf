#include "server/hosts/agent_client.h"

#include "absl/status/status.h"
#include "base/error.h"
#include "base/reason.h"

namespace innkeeper {

bool IsUnreachable(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kUnauthenticated:
      break;
    default:
      // A stream that broke off has no reason, whatever its code.
      return DetailsOf(status).reason.empty() &&
             (absl::IsUnknown(status) || absl::IsInternal(status));
  }
  return true;
}

}  // namespace innkeeper
