#include "cli/filter.h"

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/status_macros.h"

namespace innkeeper {
namespace {

// Whether parentheses and strings of `filter` are closed where they end.
absl::Status CheckClosed(absl::string_view filter) {
  int depth = 0;
  char quote = 0;
  for (size_t i = 0; i < filter.size(); ++i) {
    const char c = filter[i];
    if (quote != 0) {
      if (c == '\\') ++i;
      if (c == quote) quote = 0;
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == '(') {
      ++depth;
    } else if (c == ')' && --depth < 0) {
      break;
    }
  }
  if (depth == 0 && quote == 0) return absl::OkStatus();
  return Error(absl::StatusCode::kInvalidArgument, reason::kInvalidFilter,
               absl::StrCat("filter '", filter, "' has ",
                            quote != 0 ? "a string" : "a parenthesis",
                            " without its other end"));
}

}  // namespace

std::string QuoteForFilter(absl::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted.push_back('\\');
    quoted.push_back(c);
  }
  quoted.push_back('"');
  return quoted;
}

std::string FilterTerm(absl::string_view field, absl::string_view value) {
  return absl::StrCat(field, " = ", QuoteForFilter(value));
}

absl::StatusOr<std::string> AndFilter(absl::string_view filter,
                                      const std::vector<std::string>& terms) {
  if (terms.empty()) return std::string(filter);
  std::string all = absl::StrJoin(terms, " AND ");
  if (filter.empty()) return all;
  RETURN_IF_ERROR(CheckClosed(filter));
  return absl::StrCat("(", filter, ") AND ", all);
}

}  // namespace innkeeper
