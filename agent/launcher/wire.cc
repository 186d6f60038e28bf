#include "agent/launcher/wire.h"

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace innkeeper {

void WireWriter::Number(uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) {
    data_.push_back(static_cast<char>(value >> (8 * i)));
  }
}

void WireReader::Fail() {
  ok_ = false;
  data_ = absl::string_view();
}

uint64_t WireReader::Number(int bytes) {
  if (data_.size() < static_cast<size_t>(bytes)) {
    Fail();
    return 0;
  }
  uint64_t value = 0;
  for (int i = 0; i < bytes; ++i) {
    value |= static_cast<uint64_t>(static_cast<uint8_t>(data_[i])) << (8 * i);
  }
  data_.remove_prefix(static_cast<size_t>(bytes));
  return value;
}

bool WireReader::Bool() {
  const uint8_t value = U8();
  if (value > 1) Fail();
  return value == 1;
}

std::string WireReader::String(size_t limit) {
  const size_t size = U32();
  if (size > limit || size > data_.size()) {
    Fail();
    return std::string();
  }
  std::string value(data_.substr(0, size));
  data_.remove_prefix(size);
  return value;
}

size_t WireReader::Count(size_t limit) {
  const size_t count = U32();
  if (count <= limit) return count;
  Fail();
  return 0;
}

}  // namespace innkeeper
