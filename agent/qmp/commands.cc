#include "agent/qmp/commands.h"

#include <cstddef>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "agent/qmp/message.h"
#include "agent/qmp/printable_text.h"
#include "agent/qmp/run_state.h"
#include "agent/qmp/session.h"
#include "agent/qmp/version.h"
#include "base/completion.h"
#include "base/uuid.h"
#include "nlohmann/json.hpp"

namespace innkeeper {
namespace {

using nlohmann::json;

constexpr size_t kNameBytes = 256;

// The members of what a command returned; nullopt or null if it is no object
// or lacks the member.
std::optional<bool> BoolMember(const json& value, const char* name) {
  const auto found = value.find(name);
  if (found == value.end() || !found->is_boolean()) return std::nullopt;
  return found->get<bool>();
}

const std::string* StringMember(const json& value, const char* name) {
  const auto found = value.find(name);
  if (found == value.end() || !found->is_string()) return nullptr;
  return &found->get_ref<const std::string&>();
}

std::optional<QmpStatus> ParseStatus(const json& value) {
  const std::optional<bool> running = BoolMember(value, "running");
  const std::string* const state = StringMember(value, "status");
  if (!running.has_value() || state == nullptr) return std::nullopt;
  return QmpStatus{*running, ParseRunState(*state)};
}

std::optional<std::string> ParseName(const json& value) {
  if (!value.is_object()) return std::nullopt;
  if (!value.contains("name")) return std::string();
  const std::string* const name = StringMember(value, "name");
  if (name == nullptr) return std::nullopt;
  return PrintableText(*name, kNameBytes);
}

std::optional<std::string> ParseUuid(const json& value) {
  const std::string* const text = StringMember(value, "UUID");
  if (text == nullptr) return std::nullopt;
  std::string uuid = absl::AsciiStrToLower(*text);
  if (!IsUuid(uuid)) return std::nullopt;
  return uuid;
}

std::optional<QmpKvm> ParseKvm(const json& value) {
  const std::optional<bool> enabled = BoolMember(value, "enabled");
  const std::optional<bool> present = BoolMember(value, "present");
  if (!enabled.has_value() || !present.has_value()) return std::nullopt;
  return QmpKvm{*enabled, *present};
}

// Sends `command` and gives `done` what `parse` makes of the answer.
template <typename T>
void Query(QmpSession* session, const char* command, absl::Duration timeout,
           std::optional<T> (*parse)(const json&), Completion<T> done) {
  session->Execute(command, nullptr, timeout,
                   [command, parse, done = std::move(done)](
                       const absl::StatusOr<json>& answer) mutable {
                     if (!answer.ok()) return done(answer.status());
                     std::optional<T> result = parse(*answer);
                     if (result.has_value()) return done(*std::move(result));
                     done(QmpProtocolError(absl::StrCat(
                         "'", command, "' returned something else")));
                   });
}

// Sends `command`, which returns nothing of interest.
void Act(QmpSession* session, const char* command, const json& arguments,
         absl::Duration timeout, StatusCompletion done) {
  session->Execute(
      command, arguments, timeout,
      [done = std::move(done)](const absl::StatusOr<json>& answer) mutable {
        done(answer.status());
      });
}

}  // namespace

void QueryStatus(QmpSession* session, absl::Duration timeout,
                 Completion<QmpStatus> done) {
  Query(session, "query-status", timeout, ParseStatus, std::move(done));
}

void QueryVersion(QmpSession* session, absl::Duration timeout,
                  Completion<QmpVersion> done) {
  Query(session, "query-version", timeout, ParseQmpVersion, std::move(done));
}

void QueryName(QmpSession* session, absl::Duration timeout,
               Completion<std::string> done) {
  Query(session, "query-name", timeout, ParseName, std::move(done));
}

void QueryUuid(QmpSession* session, absl::Duration timeout,
               Completion<std::string> done) {
  Query(session, "query-uuid", timeout, ParseUuid, std::move(done));
}

void QueryKvm(QmpSession* session, absl::Duration timeout,
              Completion<QmpKvm> done) {
  Query(session, "query-kvm", timeout, ParseKvm, std::move(done));
}

void Cont(QmpSession* session, absl::Duration timeout, StatusCompletion done) {
  Act(session, "cont", nullptr, timeout, std::move(done));
}

void Stop(QmpSession* session, absl::Duration timeout, StatusCompletion done) {
  Act(session, "stop", nullptr, timeout, std::move(done));
}

void SystemPowerdown(QmpSession* session, absl::Duration timeout,
                     StatusCompletion done) {
  Act(session, "system_powerdown", nullptr, timeout, std::move(done));
}

void SystemReset(QmpSession* session, absl::Duration timeout,
                 StatusCompletion done) {
  Act(session, "system_reset", nullptr, timeout, std::move(done));
}

void Quit(QmpSession* session, absl::Duration timeout, StatusCompletion done) {
  Act(session, "quit", nullptr, timeout, std::move(done));
}

void SetAction(QmpSession* session, RebootAction reboot,
               ShutdownAction shutdown, absl::Duration timeout,
               StatusCompletion done) {
  Act(session, "set-action",
      {{"reboot", reboot == RebootAction::kReset ? "reset" : "shutdown"},
       {"shutdown",
        shutdown == ShutdownAction::kPowerOff ? "poweroff" : "pause"}},
      timeout, std::move(done));
}

}  // namespace innkeeper
