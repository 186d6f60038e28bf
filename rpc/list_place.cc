#include "rpc/list_place.h"

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace innkeeper {
namespace {

constexpr size_t kMaxText = 256;

enum Tag : char {
  kNone = 'n',
  kText = 's',
  kInt = 'i',
  kBool = 'b',
  kTime = 't'
};

void PutInt(int64_t value, std::string& out) {
  char bytes[sizeof(value)];
  memcpy(bytes, &value, sizeof(value));
  out.append(bytes, sizeof(bytes));
}

bool TakeInt(absl::string_view& in, int64_t& value) {
  if (in.size() < sizeof(value)) return false;
  memcpy(&value, in.data(), sizeof(value));
  in.remove_prefix(sizeof(value));
  return true;
}

void PutText(absl::string_view text, std::string& out) {
  PutInt(static_cast<int64_t>(text.size()), out);
  absl::StrAppend(&out, text);
}

bool TakeText(absl::string_view& in, std::string& text) {
  int64_t size = 0;
  if (!TakeInt(in, size) || size < 0 ||
      static_cast<uint64_t>(size) > in.size()) {
    return false;
  }
  text = std::string(in.substr(0, static_cast<size_t>(size)));
  in.remove_prefix(static_cast<size_t>(size));
  return true;
}

}  // namespace

ListPlace::ListPlace(absl::string_view name,
                     const std::vector<FieldValue>& values)
    : name_(name) {
  for (const FieldValue& value : values) {
    if (const auto* text = std::get_if<absl::string_view>(&value)) {
      values_.emplace_back(std::string(text->substr(0, kMaxText)));
    } else if (const auto* number = std::get_if<int64_t>(&value)) {
      values_.emplace_back(*number);
    } else if (const auto* flag = std::get_if<bool>(&value)) {
      values_.emplace_back(*flag);
    } else if (const auto* time = std::get_if<absl::Time>(&value)) {
      values_.emplace_back(*time);
    } else {
      values_.emplace_back(std::monostate());
    }
  }
}

std::string ListPlace::Serialize() const {
  std::string out;
  PutText(name_, out);
  for (const Owned& value : values_) {
    if (const auto* text = std::get_if<std::string>(&value)) {
      out += kText;
      PutText(*text, out);
    } else if (const auto* number = std::get_if<int64_t>(&value)) {
      out += kInt;
      PutInt(*number, out);
    } else if (const auto* flag = std::get_if<bool>(&value)) {
      out += kBool;
      PutInt(*flag ? 1 : 0, out);
    } else if (const auto* time = std::get_if<absl::Time>(&value)) {
      out += kTime;
      PutInt(absl::ToUnixNanos(*time), out);
    } else {
      out += kNone;
    }
  }
  return out;
}

bool ListPlace::Parse(absl::string_view bytes, ListPlace* place) {
  place->values_.clear();
  if (!TakeText(bytes, place->name_)) return false;
  while (!bytes.empty()) {
    const char tag = bytes[0];
    bytes.remove_prefix(1);
    std::string text;
    int64_t number = 0;
    if (tag == kText ? !TakeText(bytes, text)
                     : tag != kNone && !TakeInt(bytes, number)) {
      return false;
    }
    switch (tag) {
      case kNone:
        place->values_.emplace_back(std::monostate());
        break;
      case kText:
        place->values_.emplace_back(std::move(text));
        break;
      case kInt:
        place->values_.emplace_back(number);
        break;
      case kBool:
        place->values_.emplace_back(number != 0);
        break;
      case kTime:
        place->values_.emplace_back(absl::FromUnixNanos(number));
        break;
      default:
        return false;
    }
  }
  return true;
}

bool ListPlace::Precedes(const OrderBy& order, absl::string_view name,
                         const std::vector<FieldValue>& values) const {
  std::vector<FieldValue> mine;
  mine.reserve(values_.size());
  for (const Owned& value : values_) {
    mine.push_back(std::visit(
        [](const auto& held) -> FieldValue {
          using Held = std::decay_t<decltype(held)>;
          if constexpr (std::is_same_v<Held, std::string>) {
            return absl::string_view(held);
          } else {
            return held;
          }
        },
        value));
  }
  if (mine.size() != values.size()) return false;
  const int compared = order.Compare(mine, values);
  return compared != 0 ? compared < 0 : name_ < name;
}

}  // namespace innkeeper
