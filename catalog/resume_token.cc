#include "catalog/resume_token.h"

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/string_view.h"
#include "base/error.h"
#include "base/reason.h"
#include "catalog/position.h"
#include "nlohmann/json.hpp"

namespace innkeeper {
namespace {

constexpr size_t kMaxTokenBytes = size_t{64} << 10;

using Json = nlohmann::json;

absl::Status Malformed() {
  return Error(absl::StatusCode::kInvalidArgument, reason::kInvalidResumeToken,
               "the resume token is not from a progress mark of this service; "
               "watch without one");
}

}  // namespace

std::string EncodePositions(const Positions& positions) {
  Json json = Json::object();
  for (const auto& [host, position] : positions) {
    json[host] = {position.epoch, position.sequence};
  }
  return absl::WebSafeBase64Escape(
      json.dump(-1, ' ', false, Json::error_handler_t::replace));
}

absl::StatusOr<Positions> DecodePositions(absl::string_view token) {
  std::string bytes;
  if (token.size() > kMaxTokenBytes ||
      !absl::WebSafeBase64Unescape(token, &bytes)) {
    return Malformed();
  }
  const Json json = Json::parse(bytes, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return Malformed();
  Positions positions;
  for (const auto& [host, value] : json.items()) {
    if (!value.is_array() || value.size() != 2 || !value[0].is_string() ||
        !value[1].is_number_integer()) {
      return Malformed();
    }
    Position& position = positions[host];
    position.epoch = value[0].get<std::string>();
    position.sequence = value[1].get<int64_t>();
    if (position.sequence < 0) return Malformed();
  }
  return positions;
}

}  // namespace innkeeper
