// Names as people type them, made whole.
#ifndef INNKEEPER_CLI_NAME_H_
#define INNKEEPER_CLI_NAME_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace innkeeper {

// "web" or "guests/web" → "guests/web", for `collection` "guests"; likewise for
// "hosts" and "operations". INVALID_ARGUMENT for an empty name or another
// collection's. The service judges the rest of the name.
absl::StatusOr<std::string> FullName(absl::string_view collection,
                                     absl::string_view text);

// The last segment of a resource name.
absl::string_view ShortName(absl::string_view name);

// "alice" or "user/alice" → "user/alice". INVALID_ARGUMENT if empty or of
// another kind.
absl::StatusOr<std::string> OwnerName(absl::string_view text);

// "main/root.raw" or "pools/main/volumes/root.raw" → the latter.
absl::StatusOr<std::string> VolumeName(absl::string_view text);

}  // namespace innkeeper

#endif  // INNKEEPER_CLI_NAME_H_
