// What every reason of an error means.
#ifndef INNKEEPER_CLI_ERROR_REFERENCE_H_
#define INNKEEPER_CLI_ERROR_REFERENCE_H_

#include <optional>

#include "absl/strings/string_view.h"

namespace innkeeper {

// The comment on `reason` in api/innkeeper/v1/error_reason.proto.
std::optional<absl::string_view> FindReasonText(absl::string_view reason);

}  // namespace innkeeper

#endif  // INNKEEPER_CLI_ERROR_REFERENCE_H_
