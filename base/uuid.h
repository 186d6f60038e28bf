// Random (version 4) UUIDs, RFC 4122.
#ifndef INNKEEPER_BASE_UUID_H_
#define INNKEEPER_BASE_UUID_H_

#include <string>

#include "absl/strings/string_view.h"

namespace innkeeper {

// "3f2504e0-4f89-41d3-9a0c-0305e82c3301", from the kernel's random numbers.
std::string MakeUuid();

// Whether `text` is a UUID of any version in lower case, 8-4-4-4-12.
bool IsUuid(absl::string_view text);

}  // namespace innkeeper

#endif  // INNKEEPER_BASE_UUID_H_
