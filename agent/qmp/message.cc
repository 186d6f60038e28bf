#include "agent/qmp/message.h"

#include <algorithm>
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
#include "absl/time/time.h"
#include "agent/qmp/event.h"
#include "agent/qmp/printable_text.h"
#include "agent/qmp/version.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "nlohmann/json.hpp"

namespace innkeeper {
namespace {

using nlohmann::json;

constexpr size_t kErrorTextBytes = 1024;
constexpr size_t kEventNameBytes = 128;
// The year 9999; beyond it no time format has to work.
constexpr int64_t kLatestSecond = 253402300799;

bool IsEventName(absl::string_view name) {
  return !name.empty() && name.size() <= kEventNameBytes &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
                  c == '_' || c == '.' || c == '-';
         });
}

std::optional<int64_t> IntegerMember(const json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_number_integer()) return std::nullopt;
  // A number above the largest int64 turns negative, which no caller takes.
  return found->get<int64_t>();
}

absl::StatusOr<absl::Time> ParseTimestamp(const json& message) {
  const auto found = message.find("timestamp");
  if (found == message.end() || !found->is_object()) {
    return QmpProtocolError("an event has no timestamp");
  }
  const std::optional<int64_t> seconds = IntegerMember(*found, "seconds");
  const std::optional<int64_t> micros = IntegerMember(*found, "microseconds");
  if (seconds == -1 && micros == -1) return absl::InfinitePast();
  if (!seconds.has_value() || *seconds < 0 || *seconds > kLatestSecond ||
      !micros.has_value() || *micros < 0 || *micros >= 1000000) {
    return QmpProtocolError("the timestamp of an event is no time");
  }
  return absl::FromUnixSeconds(*seconds) + absl::Microseconds(*micros);
}

absl::StatusOr<uint64_t> ParseId(const json& message) {
  const auto found = message.find("id");
  if (found == message.end() || !found->is_number_unsigned()) {
    return QmpProtocolError("it answered without the id of a command");
  }
  return found->get<uint64_t>();
}

absl::StatusOr<std::string> ErrorText(const json& error, const char* name) {
  const auto found = error.find(name);
  if (found == error.end() || !found->is_string()) {
    return QmpProtocolError(absl::StrCat("an error has no '", name, "'"));
  }
  return PrintableText(found->get_ref<const std::string&>(), kErrorTextBytes);
}

absl::StatusOr<QmpMessage> InterpretGreeting(const json& message) {
  const json& greeting = message["QMP"];
  if (greeting.is_object()) {
    const auto found = greeting.find("version");
    if (found != greeting.end()) {
      const std::optional<QmpVersion> version = ParseQmpVersion(*found);
      if (version.has_value()) return QmpGreeting{*version};
    }
  }
  return QmpProtocolError("its greeting names no QEMU version");
}

absl::StatusOr<QmpMessage> InterpretFailure(const json& message) {
  const json& error = message["error"];
  if (!error.is_object()) return QmpProtocolError("an error is no object");
  QmpFailure failure;
  ASSIGN_OR_RETURN(failure.error_class, ErrorText(error, "class"));
  ASSIGN_OR_RETURN(failure.description, ErrorText(error, "desc"));
  ASSIGN_OR_RETURN(failure.id, ParseId(message));
  return failure;
}

absl::StatusOr<QmpMessage> InterpretEvent(json message) {
  QmpEvent event;
  const json& name = message["event"];
  if (!name.is_string() || !IsEventName(name.get_ref<const std::string&>())) {
    return QmpProtocolError("an event has no proper name");
  }
  event.name = name.get<std::string>();
  ASSIGN_OR_RETURN(event.time, ParseTimestamp(message));
  const auto data = message.find("data");
  if (data == message.end()) {
    event.data = json::object();
  } else if (data->is_object()) {
    event.data = std::move(*data);
  } else {
    return QmpProtocolError("the data of an event is no object");
  }
  return event;
}

}  // namespace

absl::StatusOr<QmpMessage> InterpretQmpMessage(json message) {
  const bool greeting = message.contains("QMP");
  const bool returned = message.contains("return");
  const bool failure = message.contains("error");
  const bool event = message.contains("event");
  if (greeting + returned + failure + event != 1) {
    return QmpProtocolError(
        "a message is not exactly one of greeting, return, error and event");
  }
  if (greeting) return InterpretGreeting(message);
  if (failure) return InterpretFailure(message);
  if (event) return InterpretEvent(std::move(message));
  QmpReturn answer;
  ASSIGN_OR_RETURN(answer.id, ParseId(message));
  answer.value = std::move(message["return"]);
  return answer;
}

absl::Status QmpProtocolError(absl::string_view what) {
  return Error(absl::StatusCode::kUnavailable, reason::kMonitorProtocol,
               absl::StrCat("the monitor broke the QMP protocol: ", what));
}

}  // namespace innkeeper
