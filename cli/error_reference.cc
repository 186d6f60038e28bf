#include "cli/error_reference.h"

#include <optional>

#include "absl/strings/string_view.h"

namespace innkeeper {
namespace {

struct Entry {
  absl::string_view reason;
  absl::string_view text;
};

constexpr Entry kEntries[] = {
#include "cli/error_reference_entries.inc"
};

}  // namespace

std::optional<absl::string_view> FindReasonText(absl::string_view reason) {
  for (const Entry& entry : kEntries) {
    if (entry.reason == reason) return entry.text;
  }
  return std::nullopt;
}

}  // namespace innkeeper
