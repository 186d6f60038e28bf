#include "cli/output/printable.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

namespace innkeeper {
namespace {

struct Range {
  uint32_t first;
  uint32_t last;
};

// One character at the front of a text.
struct Character {
  size_t bytes;  // At least 1.
  uint32_t codepoint;
  bool valid;  // False: one byte that is not UTF-8.
};

// Characters that show nothing themselves and change what is around them.
constexpr Range kInvisible[] = {
    {0x00, 0x1f},     {0x7f, 0x9f},     {0xad, 0xad},       {0x61c, 0x61c},
    {0x180e, 0x180e}, {0x200b, 0x200f}, {0x2028, 0x202e},   {0x2060, 0x206f},
    {0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0xe0000, 0xe0fff},
};

constexpr Range kCombining[] = {
    {0x300, 0x36f},   {0x483, 0x489},   {0x591, 0x5bd},   {0x610, 0x61a},
    {0x64b, 0x65f},   {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff}, {0x20d0, 0x20ff},
    {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f},
};

constexpr Range kWide[] = {
    {0x1100, 0x115f},   {0x2e80, 0x303e},   {0x3041, 0x33ff},
    {0x3400, 0x4dbf},   {0x4e00, 0x9fff},   {0xa000, 0xa4cf},
    {0xac00, 0xd7a3},   {0xf900, 0xfaff},   {0xfe30, 0xfe6f},
    {0xff00, 0xff60},   {0xffe0, 0xffe6},   {0x1f300, 0x1f64f},
    {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd},
};

template <size_t N>
bool Contains(const Range (&ranges)[N], uint32_t codepoint) {
  for (const Range& range : ranges) {
    if (codepoint >= range.first && codepoint <= range.last) return true;
  }
  return false;
}

// `text` is not empty.
Character FirstOf(absl::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const Character invalid = {1, byte(0), false};
  if (byte(0) < 0x80) return {1, byte(0), true};
  size_t bytes = 0;
  uint32_t codepoint = 0;
  uint32_t smallest = 0;
  if (byte(0) >= 0xc2 && byte(0) <= 0xdf) {
    bytes = 2, codepoint = byte(0) & 0x1f, smallest = 0x80;
  } else if (byte(0) >= 0xe0 && byte(0) <= 0xef) {
    bytes = 3, codepoint = byte(0) & 0x0f, smallest = 0x800;
  } else if (byte(0) >= 0xf0 && byte(0) <= 0xf4) {
    bytes = 4, codepoint = byte(0) & 0x07, smallest = 0x10000;
  } else {
    return invalid;
  }
  if (text.size() < bytes) return invalid;
  for (size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return invalid;
    codepoint = codepoint << 6 | (byte(i) & 0x3f);
  }
  const bool surrogate = codepoint >= 0xd800 && codepoint <= 0xdfff;
  if (codepoint < smallest || codepoint > 0x10ffff || surrogate) return invalid;
  return {bytes, codepoint, true};
}

void AppendEscape(const Character& character, std::string* result) {
  if (character.valid && character.codepoint == '\n') {
    result->append("\\n");
  } else if (character.valid && character.codepoint == '\t') {
    result->append("\\t");
  } else if (character.valid && character.codepoint == '\r') {
    result->append("\\r");
  } else if (!character.valid || character.codepoint < 0x80) {
    absl::StrAppendFormat(result, "\\x%02x", character.codepoint);
  } else {
    absl::StrAppendFormat(result, "\\u{%x}", character.codepoint);
  }
}

}  // namespace

std::string Printable(absl::string_view text) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    const Character character = FirstOf(text);
    if (character.valid && !Contains(kInvisible, character.codepoint)) {
      result.append(text.data(), character.bytes);
    } else {
      AppendEscape(character, &result);
    }
    text.remove_prefix(character.bytes);
  }
  return result;
}

std::string PrintableLines(absl::string_view text) {
  std::vector<std::string> lines;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    lines.push_back(Printable(line));
  }
  return absl::StrJoin(lines, "\n");
}

int DisplayWidth(absl::string_view text) {
  int width = 0;
  while (!text.empty()) {
    const Character character = FirstOf(text);
    if (!Contains(kCombining, character.codepoint)) {
      width += Contains(kWide, character.codepoint) ? 2 : 1;
    }
    text.remove_prefix(character.bytes);
  }
  return width;
}

}  // namespace innkeeper
