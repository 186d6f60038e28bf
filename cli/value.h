// Values of options as people type them.
#ifndef INNKEEPER_CLI_VALUE_H_
#define INNKEEPER_CLI_VALUE_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace innkeeper {

// "512M", "2G", "1GiB": bytes, in powers of 1024. A unit is needed.
absl::StatusOr<int64_t> ParseBytes(absl::string_view text);

// "90s", "5m", "1h30m"; a bare number is seconds. Above zero.
absl::StatusOr<absl::Duration> ParseSpan(absl::string_view text);

// Each "KEY=VALUE" of `texts`; a key may come once.
absl::StatusOr<std::map<std::string, std::string>> ParseLabels(
    const std::vector<std::string>& texts);

// 536870912 → "512M": the largest unit that keeps it exact, one decimal where
// none does.
std::string FormatBytes(int64_t bytes);

// A span for people: "5s", "3m", "2h", "4d".
std::string FormatAge(absl::Duration age);

}  // namespace innkeeper

#endif  // INNKEEPER_CLI_VALUE_H_
