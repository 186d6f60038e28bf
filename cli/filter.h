// Filters (AIP-160 subset) put together from options.
#ifndef INNKEEPER_CLI_FILTER_H_
#define INNKEEPER_CLI_FILTER_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace innkeeper {

// `text` as a string of the filter language: whatever it holds, it stays one
// string.
std::string QuoteForFilter(absl::string_view text);

// `field = "value"`.
std::string FilterTerm(absl::string_view field, absl::string_view value);

// All of `terms` and, where it is not empty, `filter` as its author wrote it.
// INVALID_ARGUMENT if `filter` would run into the terms: a parenthesis or a
// string that is not closed.
absl::StatusOr<std::string> AndFilter(absl::string_view filter,
                                      const std::vector<std::string>& terms);

}  // namespace innkeeper

#endif  // INNKEEPER_CLI_FILTER_H_
