// A small codec: fixed-size little-endian numbers and strings with a length.
#ifndef INNKEEPER_AGENT_LAUNCHER_WIRE_H_
#define INNKEEPER_AGENT_LAUNCHER_WIRE_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace innkeeper {

// Appends values to a string. Not thread-safe.
class WireWriter {
 public:
  void U8(uint8_t value) { Number(value, 1); }
  void U32(uint32_t value) { Number(value, 4); }
  void U64(uint64_t value) { Number(value, 8); }
  void I64(int64_t value) { Number(static_cast<uint64_t>(value), 8); }
  void Bool(bool value) { U8(value ? 1 : 0); }
  void String(absl::string_view value) {
    U32(static_cast<uint32_t>(value.size()));
    data_.append(value.data(), value.size());
  }

  const std::string& data() const { return data_; }

 private:
  void Number(uint64_t value, int bytes);

  std::string data_;
};

// Reads values back. Input: untrusted. The first value that is not there makes
// the reader fail for good: from then on every value is 0 or empty. Not
// thread-safe; the bytes must outlive the reader.
class WireReader {
 public:
  explicit WireReader(absl::string_view data) : data_(data) {}

  uint8_t U8() { return static_cast<uint8_t>(Number(1)); }
  uint32_t U32() { return static_cast<uint32_t>(Number(4)); }
  uint64_t U64() { return Number(8); }
  int64_t I64() { return static_cast<int64_t>(Number(8)); }
  // Fails on anything but 0 and 1.
  bool Bool();
  // Fails if the string is longer than `limit`.
  std::string String(size_t limit);
  // A U32 that counts what follows; fails if it is over `limit`.
  size_t Count(size_t limit);

  // For a value that is there and cannot be right.
  void Fail();

  bool ok() const { return ok_; }
  // What has not been read yet.
  absl::string_view rest() const { return data_; }
  // Whether everything was there and nothing is left.
  bool Done() const { return ok_ && data_.empty(); }

 private:
  uint64_t Number(int bytes);

  absl::string_view data_;
  bool ok_ = true;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_WIRE_H_
