// QMP on the wire: one JSON object per line, in both directions.
//
// Input: untrusted. QEMU counts as hostile once its guest runs: the size, the
// depth and the number of values of a message are checked before any of it is
// parsed. The worst line within the limits costs about 60 ms and 20 MiB.
#ifndef INNKEEPER_AGENT_QMP_CODEC_H_
#define INNKEEPER_AGENT_QMP_CODEC_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace innkeeper {

// The longest line taken or sent, without its newline.
inline constexpr size_t kMaxQmpMessageBytes = size_t{4} << 20;
// Objects and arrays inside each other.
inline constexpr int kMaxQmpDepth = 64;
// Members and elements of all objects and arrays. QEMU 7.2 describes itself
// (query-qmp-schema) in 16,000.
inline constexpr int kMaxQmpValues = 1 << 16;

// Parses one line. Integers from -2^63 to 2^64-1 are exact; larger ones become
// doubles. The last of equal keys wins. UNAVAILABLE (MONITOR_PROTOCOL), saying
// which rule was broken, if `line` is not one JSON object within the limits
// above. Thread-safe.
absl::StatusOr<nlohmann::json> ParseQmpMessage(absl::string_view line);

// The line, newline included, that makes QEMU execute `command`. `arguments` is
// an object, or null for none; the caller holds it to kMaxQmpDepth.
// INVALID_ARGUMENT: INVALID_REQUEST if a string in it is not UTF-8 or
// `arguments` is something else, MESSAGE_TOO_LARGE if the line is longer than
// kMaxQmpMessageBytes. Thread-safe.
absl::StatusOr<std::string> EncodeQmpCommand(absl::string_view command,
                                             const nlohmann::json& arguments,
                                             uint64_t id);

// Cuts a stream of bytes, in whatever chunks it arrives, into messages. Holds
// at most one unfinished message besides what was appended last, and no memory
// while idle. Not thread-safe.
class QmpDecoder {
 public:
  // Takes the next bytes of the stream.
  void Append(absl::string_view bytes);

  // The next complete message, or nullopt if more bytes are needed first. Blank
  // lines are skipped. Fails as ParseQmpMessage does, and for a line that is
  // too long as soon as that is seen; after a failure the stream is useless and
  // the decoder must not be used again.
  absl::StatusOr<std::optional<nlohmann::json>> Next();

  // Bytes held that belong to no returned message.
  size_t buffered_bytes() const { return buffer_.size() - start_; }

 private:
  std::string buffer_;
  size_t start_ = 0;    // Where the next message begins.
  size_t scanned_ = 0;  // No newline lies between start_ and this.
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_QMP_CODEC_H_
