// What texts may contain that come from or go to the network.
#ifndef INNKEEPER_RPC_TEXT_H_
#define INNKEEPER_RPC_TEXT_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace innkeeper {

// Whether `text` is well-formed UTF-8.
bool IsUtf8(absl::string_view text);

// `text` as well-formed UTF-8 of at most `max_bytes`: other bytes become '?',
// and an end that was cut off shows as "...".
std::string CleanText(absl::string_view text, size_t max_bytes);

}  // namespace innkeeper

#endif  // INNKEEPER_RPC_TEXT_H_
