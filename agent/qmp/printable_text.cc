#include "agent/qmp/printable_text.h"

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace innkeeper {
namespace {

constexpr absl::string_view kCut = "...";

// The length of the UTF-8 sequence that `text` starts with; 0 if it starts with
// none, or with a control character.
size_t PrintableLength(absl::string_view text) {
  const auto at = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = at(0);
  if (lead < 0x80) return lead >= 0x20 && lead != 0x7f ? 1 : 0;
  const size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((at(i) & 0xc0) != 0x80) return 0;
  }
  const uint8_t second = at(1);
  const bool control = lead == 0xc2 && second < 0xa0;
  const bool overlong =
      (lead == 0xe0 && second < 0xa0) || (lead == 0xf0 && second < 0x90);
  const bool surrogate = lead == 0xed && second >= 0xa0;
  const bool too_big = lead == 0xf4 && second >= 0x90;
  return control || overlong || surrogate || too_big ? 0 : length;
}

}  // namespace

std::string PrintableText(absl::string_view text, size_t limit) {
  std::string out;
  // Where to cut if the rest does not fit.
  size_t cut = 0;
  while (!text.empty()) {
    const size_t length = PrintableLength(text);
    const absl::string_view next = length == 0 ? "?" : text.substr(0, length);
    if (out.size() + next.size() > limit) {
      out.resize(cut);
      out.append(kCut.data(), kCut.size());
      return out;
    }
    out.append(next.data(), next.size());
    if (out.size() + kCut.size() <= limit) cut = out.size();
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return out;
}

}  // namespace innkeeper
