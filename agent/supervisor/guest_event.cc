#include "agent/supervisor/guest_event.h"

#include <string>

#include "nlohmann/json.hpp"

namespace innkeeper {
namespace {

constexpr size_t kMaxMessageBytes = 1000;

using Json = nlohmann::json;

}  // namespace

std::string SerializeEventPayload(const GuestEventPayload& payload) {
  const Json json = {{"uid", payload.guest_uid},
                     {"operation", payload.operation},
                     {"caller", payload.caller},
                     {"message", payload.message.substr(0, kMaxMessageBytes)}};
  // Messages may quote what QEMU wrote, which need not be UTF-8.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

GuestEventPayload ParseEventPayload(const std::string& bytes) {
  const Json json = Json::parse(bytes, nullptr, /*allow_exceptions=*/false);
  GuestEventPayload payload;
  if (!json.is_object()) return payload;
  const auto text = [&json](const char* key) {
    const auto found = json.find(key);
    return found != json.end() && found->is_string() ? found->get<std::string>()
                                                     : std::string();
  };
  payload.guest_uid = text("uid");
  payload.operation = text("operation");
  payload.caller = text("caller");
  payload.message = text("message");
  return payload;
}

}  // namespace innkeeper
