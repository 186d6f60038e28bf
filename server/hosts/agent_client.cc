#include "server/hosts/agent_client.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
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

absl::Status ToHostError(absl::string_view host, const absl::Status& status) {
  if (!IsUnreachable(status) || !DetailsOf(status).reason.empty()) {
    return status;
  }
  return Error(absl::StatusCode::kUnavailable, reason::kHostUnreachable,
               absl::StrCat("host '", host,
                            "' did not answer: ", status.message(),
                            "; what it was asked for may have happened"))
      .With("host", absl::StrCat("hosts/", host));
}

}  // namespace innkeeper
