#include "agent/qmp/codec.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "agent/qmp/printable_text.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "nlohmann/json.hpp"

namespace innkeeper {
namespace {

using nlohmann::json;

// How much of a bad line an error shows.
constexpr size_t kExcerptBytes = 80;

absl::Status Fault(absl::string_view what) {
  return Error(absl::StatusCode::kUnavailable, reason::kMonitorProtocol,
               absl::StrCat("the monitor broke the QMP protocol: ", what));
}

absl::Status TooLong() {
  return Fault(
      absl::StrCat("a message is longer than ", kMaxQmpMessageBytes, " bytes"));
}

// Checks what must hold before a parser may see `line`.
absl::Status CheckShape(absl::string_view line) {
  int depth = 0;
  int values = 0;
  bool in_string = false;
  bool escaped = false;
  for (const char c : line) {
    // The parser would take a zero byte for the end of its input.
    if (static_cast<uint8_t>(c) < 0x20 && c != '\t' && c != '\r') {
      return Fault("a message holds a control character");
    }
    if (in_string) {
      if (escaped) {
        escaped = false;
      } else if (c == '\\') {
        escaped = true;
      } else if (c == '"') {
        in_string = false;
      }
      continue;
    }
    switch (c) {
      case '"':
        in_string = true;
        break;
      case '[':
      case '{':
        ++values;
        if (++depth > kMaxQmpDepth) {
          return Fault(absl::StrCat("a message is nested deeper than ",
                                    kMaxQmpDepth, " levels"));
        }
        break;
      case ']':
      case '}':
        --depth;
        break;
      case ',':
        ++values;
        break;
      default:
        break;
    }
    if (values > kMaxQmpValues) {
      return Fault(
          absl::StrCat("a message holds more than ", kMaxQmpValues, " values"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<json> ParseQmpMessage(absl::string_view line) {
  if (line.size() > kMaxQmpMessageBytes) return TooLong();
  RETURN_IF_ERROR(CheckShape(line));
  json message = json::parse(line.begin(), line.end(), /*cb=*/nullptr,
                             /*allow_exceptions=*/false);
  if (message.is_discarded() || !message.is_object()) {
    return Fault(absl::StrCat(message.is_discarded()
                                  ? "a line is not JSON: '"
                                  : "a message is not a JSON object: '",
                              PrintableText(line, kExcerptBytes), "'"));
  }
  return message;
}

absl::StatusOr<std::string> EncodeQmpCommand(absl::string_view command,
                                             const json& arguments,
                                             uint64_t id) {
  if (!arguments.is_null() && !arguments.is_object()) {
    return Error(absl::StatusCode::kInvalidArgument, reason::kInvalidRequest,
                 "the arguments of a QMP command must be a JSON object");
  }
  json request = {{"execute", std::string(command)}, {"id", id}};
  if (!arguments.is_null()) request["arguments"] = arguments;
  std::string line = request.dump(-1, ' ', /*ensure_ascii=*/false,
                                  json::error_handler_t::ignore);
  // Both ways of going on after bad UTF-8 agree only if there was none.
  if (line.size() !=
      request
          .dump(-1, ' ', /*ensure_ascii=*/false, json::error_handler_t::replace)
          .size()) {
    return Error(absl::StatusCode::kInvalidArgument, reason::kInvalidRequest,
                 "a QMP command holds text that is not UTF-8");
  }
  if (line.size() > kMaxQmpMessageBytes) {
    return Error(absl::StatusCode::kInvalidArgument, reason::kMessageTooLarge,
                 absl::StrCat("a QMP command of ", line.size(),
                              " bytes is too long; ", kMaxQmpMessageBytes,
                              " are allowed"))
        .With("bytes", absl::StrCat(line.size()))
        .With("limit", absl::StrCat(kMaxQmpMessageBytes));
  }
  line.push_back('\n');
  return line;
}

void QmpDecoder::Append(absl::string_view bytes) {
  if (start_ > 0) {
    buffer_.erase(0, start_);
    scanned_ -= start_;
    start_ = 0;
  }
  buffer_.append(bytes.data(), bytes.size());
}

absl::StatusOr<std::optional<json>> QmpDecoder::Next() {
  while (true) {
    const size_t newline = buffer_.find('\n', scanned_);
    if (newline == std::string::npos) {
      scanned_ = buffer_.size();
      if (buffered_bytes() > kMaxQmpMessageBytes) return TooLong();
      if (buffered_bytes() == 0) {
        // Assigning an empty string would keep the memory.
        std::string().swap(buffer_);
        start_ = scanned_ = 0;
      }
      return std::nullopt;
    }
    const absl::string_view line =
        absl::string_view(buffer_).substr(start_, newline - start_);
    start_ = scanned_ = newline + 1;
    if (absl::StripAsciiWhitespace(line).empty()) continue;
    ASSIGN_OR_RETURN(json message, ParseQmpMessage(line));
    return message;
  }
}

}  // namespace innkeeper
