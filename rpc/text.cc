#include "rpc/text.h"

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace innkeeper {
namespace {

// The length of the character that `text` starts with; 0 if it starts with
// none.
size_t CharacterLength(absl::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(0);
  if (first < 0x80) return 1;
  const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  // Overlong forms, surrogates, and what lies beyond U+10FFFF.
  if (first == 0xe0 && byte(1) < 0xa0) return 0;
  if (first == 0xed && byte(1) > 0x9f) return 0;
  if (first == 0xf0 && byte(1) < 0x90) return 0;
  if (first == 0xf4 && byte(1) > 0x8f) return 0;
  return length;
}

}  // namespace

bool IsUtf8(absl::string_view text) {
  while (!text.empty()) {
    const size_t length = CharacterLength(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string CleanText(absl::string_view text, size_t max_bytes) {
  constexpr absl::string_view kCut = "...";
  std::string clean;
  size_t fits = 0;  // The longest prefix of `clean` that leaves room for kCut.
  while (!text.empty()) {
    const size_t length = CharacterLength(text);
    const absl::string_view next =
        length == 0 ? absl::string_view("?") : text.substr(0, length);
    if (clean.size() + next.size() > max_bytes) {
      clean.resize(fits);
      if (max_bytes >= kCut.size()) absl::StrAppend(&clean, kCut);
      return clean;
    }
    absl::StrAppend(&clean, next);
    if (clean.size() + kCut.size() <= max_bytes) fits = clean.size();
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return clean;
}

}  // namespace innkeeper
