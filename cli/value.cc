#include "cli/value.h"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/error.h"
#include "base/reason.h"

namespace innkeeper {
namespace {

constexpr absl::string_view kUnits = "KMGT";

absl::Status Refusal(absl::string_view message) {
  return Error(absl::StatusCode::kInvalidArgument, reason::kInvalidRequest,
               message);
}

}  // namespace

absl::StatusOr<int64_t> ParseBytes(absl::string_view text) {
  size_t digits = 0;
  while (digits < text.size() && absl::ascii_isdigit(text[digits])) ++digits;
  const std::string unit = absl::AsciiStrToUpper(text.substr(digits));
  const size_t power =
      unit.empty() ? absl::string_view::npos : kUnits.find(unit.front());
  const absl::string_view rest =
      unit.empty() ? "" : absl::string_view(unit).substr(1);
  int64_t number = 0;
  if (power == absl::string_view::npos ||
      (!rest.empty() && rest != "B" && rest != "IB") ||
      !absl::SimpleAtoi(text.substr(0, digits), &number)) {
    return Refusal(absl::StrCat("'", text,
                                "' is no amount of memory; write a number and "
                                "a unit, such as 512M or 2G"));
  }
  const int shift = 10 * (static_cast<int>(power) + 1);
  if (number > std::numeric_limits<int64_t>::max() >> shift) {
    return Refusal(absl::StrCat("'", text, "' is too much memory"));
  }
  return number << shift;
}

absl::StatusOr<absl::Duration> ParseSpan(absl::string_view text) {
  absl::Duration span;
  int64_t seconds = 0;
  if (absl::SimpleAtoi(text, &seconds)) {
    span = absl::Seconds(seconds);
  } else if (!absl::ParseDuration(text, &span)) {
    span = absl::ZeroDuration();
  }
  if (span <= absl::ZeroDuration() || span == absl::InfiniteDuration()) {
    return Refusal(absl::StrCat("'", text,
                                "' is no span of time; write one such as 90s, "
                                "5m or 1h30m"));
  }
  return span;
}

absl::StatusOr<std::map<std::string, std::string>> ParseLabels(
    const std::vector<std::string>& texts) {
  std::map<std::string, std::string> labels;
  for (const std::string& text : texts) {
    const std::pair<std::string, std::string> label =
        absl::StrSplit(text, absl::MaxSplits('=', 1));
    if (label.first.empty() || text.find('=') == std::string::npos) {
      return Refusal(absl::StrCat("'", text, "' is no label; write KEY=VALUE"));
    }
    if (!labels.insert(label).second) {
      return Refusal(
          absl::StrCat("label '", label.first, "' is given more than once"));
    }
  }
  return labels;
}

std::string FormatBytes(int64_t bytes) {
  if (bytes < 1024) return absl::StrCat(bytes);
  int power = 0;
  while (power < 3 && bytes >> (10 * (power + 2)) != 0) ++power;
  const int64_t unit = int64_t{1} << (10 * (power + 1));
  if (bytes % unit == 0) {
    return absl::StrCat(bytes / unit, kUnits.substr(power, 1));
  }
  // 1536M says more than 1.5G, as long as it is short.
  if (power > 0 && bytes % (unit >> 10) == 0 && bytes / (unit >> 10) < 10000) {
    return absl::StrCat(bytes / (unit >> 10), kUnits.substr(power - 1, 1));
  }
  return absl::StrFormat("%.1f%c",
                         static_cast<double>(bytes) / static_cast<double>(unit),
                         kUnits[power]);
}

std::string FormatAge(absl::Duration age) {
  if (age < absl::ZeroDuration()) age = absl::ZeroDuration();
  const int64_t seconds = absl::ToInt64Seconds(age);
  if (seconds < 120) return absl::StrCat(seconds, "s");
  if (seconds < int64_t{120} * 60) return absl::StrCat(seconds / 60, "m");
  if (seconds < int64_t{48} * 3600) return absl::StrCat(seconds / 3600, "h");
  return absl::StrCat(seconds / 86400, "d");
}

}  // namespace innkeeper
