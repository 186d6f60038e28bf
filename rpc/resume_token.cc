#include "rpc/resume_token.h"

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/uuid.h"

namespace innkeeper {
namespace {

// version, then for each point: host, epoch, sequence. Text has its length
// before it; an epoch of length 0 is 16 bytes of a UUID.
constexpr char kVersion = 1;
constexpr size_t kMaxText = 64;
constexpr size_t kUuidBytes = 16;

void PutNumber(uint64_t number, std::string& out) {
  while (number >= 0x80) {
    out += static_cast<char>(number | 0x80);
    number >>= 7;
  }
  out += static_cast<char>(number);
}

void PutText(absl::string_view text, std::string& out) {
  PutNumber(text.size(), out);
  absl::StrAppend(&out, text);
}

// Reads what was put, and no further than its end.
class Reader {
 public:
  explicit Reader(absl::string_view bytes) : left_(bytes) {}

  bool done() const { return left_.empty(); }

  std::optional<int64_t> Number() {
    uint64_t number = 0;
    for (int shift = 0; shift < 63 && !left_.empty(); shift += 7) {
      const auto byte = static_cast<uint8_t>(left_[0]);
      left_.remove_prefix(1);
      number |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) return static_cast<int64_t>(number);
    }
    return std::nullopt;
  }

  std::optional<std::string> Bytes(size_t length) {
    if (length > left_.size()) return std::nullopt;
    std::string bytes(left_.substr(0, length));
    left_.remove_prefix(length);
    return bytes;
  }

  std::optional<std::string> Text() {
    const std::optional<int64_t> length = Number();
    if (!length.has_value() || *length > static_cast<int64_t>(kMaxText)) {
      return std::nullopt;
    }
    return Bytes(static_cast<size_t>(*length));
  }

 private:
  absl::string_view left_;
};

std::string ToUuidText(absl::string_view bytes) {
  const std::string hex = absl::BytesToHexString(bytes);
  return absl::StrCat(hex.substr(0, 8), "-", hex.substr(8, 4), "-",
                      hex.substr(12, 4), "-", hex.substr(16, 4), "-",
                      hex.substr(20));
}

bool ReadPoint(Reader& reader, ResumePoint& point) {
  std::optional<std::string> host = reader.Text();
  std::optional<std::string> epoch = reader.Text();
  if (!host.has_value() || host->empty() || !epoch.has_value()) return false;
  if (epoch->empty()) {
    const std::optional<std::string> uuid = reader.Bytes(kUuidBytes);
    if (!uuid.has_value()) return false;
    epoch = ToUuidText(*uuid);
  }
  const std::optional<int64_t> sequence = reader.Number();
  if (!sequence.has_value() || *sequence < 0) return false;
  point = {*std::move(host), *std::move(epoch), *sequence};
  return true;
}

absl::Status Refused() {
  constexpr absl::string_view kWhy =
      "is not from this stream; start again without it";
  return Error(absl::StatusCode::kInvalidArgument, reason::kInvalidResumeToken,
               absl::StrCat("the resume token ", kWhy))
      .Field("resume_token", kWhy);
}

}  // namespace

absl::StatusOr<std::string> EncodeResumeToken(
    const std::vector<ResumePoint>& points) {
  std::string bytes(1, kVersion);
  for (const ResumePoint& point : points) {
    PutText(point.host, bytes);
    if (IsUuid(point.epoch)) {
      PutNumber(0, bytes);
      absl::StrAppend(&bytes, absl::HexStringToBytes(absl::StrReplaceAll(
                                  point.epoch, {{"-", ""}})));
    } else {
      PutText(point.epoch, bytes);
    }
    PutNumber(static_cast<uint64_t>(point.sequence), bytes);
  }
  std::string token = absl::WebSafeBase64Escape(bytes);
  if (token.size() > kMaxResumeTokenBytes) {
    return Error(absl::StatusCode::kResourceExhausted, reason::kMessageTooLarge,
                 absl::StrCat("a resume token for ", points.size(),
                              " hosts is longer than ", kMaxResumeTokenBytes,
                              " bytes"))
        .With("hosts", absl::StrCat(points.size()))
        .Build();
  }
  return token;
}

absl::StatusOr<std::vector<ResumePoint>> DecodeResumeToken(
    absl::string_view token) {
  std::string bytes;
  if (token.size() > kMaxResumeTokenBytes ||
      !absl::WebSafeBase64Unescape(token, &bytes) || bytes.empty() ||
      bytes[0] != kVersion) {
    return Refused();
  }
  Reader reader(absl::string_view(bytes).substr(1));
  std::vector<ResumePoint> points;
  std::set<std::string> hosts;
  while (!reader.done()) {
    ResumePoint point;
    if (!ReadPoint(reader, point) || !hosts.insert(point.host).second) {
      return Refused();
    }
    points.push_back(std::move(point));
  }
  return points;
}

}  // namespace innkeeper
