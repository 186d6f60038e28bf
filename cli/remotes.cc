#include "cli/remotes.h"

#include <cstddef>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "base/error.h"
#include "base/file.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "nlohmann/json.hpp"

namespace innkeeper {
namespace {

using Json = nlohmann::json;

constexpr size_t kFileLimit = 1 << 20;

struct FieldOf {
  const char* key;
  const char* variable;
  std::string Remote::*field;
};

constexpr FieldOf kFields[] = {
    {"address", "INN_ADDRESS", &Remote::address},
    {"cert", "INN_CERT", &Remote::cert},
    {"key", "INN_KEY", &Remote::key},
    {"ca", "INN_CA", &Remote::ca},
    {"server_name", "INN_SERVER_NAME", &Remote::server_name},
};

absl::Status Refusal(absl::string_view message) {
  return Error(absl::StatusCode::kInvalidArgument, reason::kConfigInvalid,
               message);
}

absl::StatusOr<Remote> ParseRemote(const std::string& name, const Json& json) {
  Remote remote;
  if (!json.is_object()) {
    return Refusal(absl::StrCat("remote '", name, "' is not an object"));
  }
  for (const FieldOf& field : kFields) {
    const auto found = json.find(field.key);
    if (found == json.end()) continue;
    if (!found->is_string()) {
      return Refusal(
          absl::StrCat("remote '", name, "': ", field.key, " is not a string"));
    }
    remote.*field.field = found->get<std::string>();
  }
  return remote;
}

absl::StatusOr<Remotes> ParseRemotes(absl::string_view text) {
  const Json json = Json::parse(text.begin(), text.end(), nullptr,
                                /*allow_exceptions=*/false);
  if (!json.is_object()) return Refusal("is not a JSON object");
  Remotes result;
  if (const auto current = json.find("current"); current != json.end()) {
    if (!current->is_string()) return Refusal("'current' is not a string");
    result.current = current->get<std::string>();
  }
  if (const auto all = json.find("remotes"); all != json.end()) {
    if (!all->is_object()) return Refusal("'remotes' is not an object");
    for (const auto& [name, value] : all->items()) {
      ASSIGN_OR_RETURN(result.remotes[name], ParseRemote(name, value));
    }
  }
  return result;
}

absl::Status CheckComplete(const Remote& remote) {
  if (remote.address.empty()) {
    return Error(absl::StatusCode::kInvalidArgument, reason::kConfigInvalid,
                 "no service is named; try: inn remote add NAME ADDRESS, or "
                 "set INN_ADDRESS");
  }
  if (IsUnixAddress(remote.address)) return absl::OkStatus();
  std::vector<absl::string_view> missing;
  if (remote.cert.empty()) missing.push_back("a certificate (INN_CERT)");
  if (remote.key.empty()) missing.push_back("its key (INN_KEY)");
  if (remote.ca.empty()) missing.push_back("roots to trust (INN_CA)");
  if (missing.empty()) return absl::OkStatus();
  return Refusal(absl::StrCat("'", remote.address, "' needs ",
                              absl::StrJoin(missing, ", "),
                              "; try: inn remote add NAME ADDRESS --cert FILE "
                              "--key FILE --ca FILE"));
}

}  // namespace

absl::StatusOr<std::string> RemotesPath(const VariableReader& variable) {
  if (const auto config = variable("XDG_CONFIG_HOME"); config.has_value()) {
    return absl::StrCat(*config, "/innkeeper/remotes.json");
  }
  if (const auto home = variable("HOME"); home.has_value()) {
    return absl::StrCat(*home, "/.config/innkeeper/remotes.json");
  }
  return Error(absl::StatusCode::kFailedPrecondition, reason::kConfigInvalid,
               "neither HOME nor XDG_CONFIG_HOME is set, so there is no file "
               "of remotes; set INN_ADDRESS instead")
      .Build();
}

absl::StatusOr<Remotes> LoadRemotes(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadFile(path, kFileLimit);
  if (absl::IsNotFound(text.status())) return Remotes();
  if (!text.ok()) return text.status();
  absl::StatusOr<Remotes> remotes = ParseRemotes(*text);
  if (!remotes.ok()) return Annotate(remotes.status(), path);
  return remotes;
}

absl::Status SaveRemotes(const std::string& path, const Remotes& remotes) {
  Json all = Json::object();
  for (const auto& [name, remote] : remotes.remotes) {
    Json fields = Json::object();
    for (const FieldOf& field : kFields) {
      const std::string& value = remote.*field.field;
      if (!value.empty()) fields[field.key] = value;
    }
    all[name] = std::move(fields);
  }
  const Json json = {{"current", remotes.current}, {"remotes", all}};
  const std::filesystem::path directory =
      std::filesystem::path(path).parent_path();
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) {
    return ErrnoError(error.value(),
                      absl::StrCat("cannot make ", directory.string()));
  }
  // What is not UTF-8 becomes the replacement character: dump() must not throw.
  return WriteFileAtomically(
      path, json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n",
      0600);
}

absl::Status CheckRemoteName(absl::string_view name) {
  bool fine = !name.empty() && name.size() <= 63 &&
              (absl::ascii_islower(name[0]) || absl::ascii_isdigit(name[0]));
  for (const char c : name) {
    fine = fine && (absl::ascii_islower(c) || absl::ascii_isdigit(c) ||
                    c == '.' || c == '_' || c == '-');
  }
  if (fine) return absl::OkStatus();
  return Refusal(absl::StrCat(
      "'", name, "' cannot name a remote; use a-z, 0-9, '.', '_' and '-'"));
}

absl::StatusOr<Remote> ChooseRemote(const std::string& name,
                                    const VariableReader& variable) {
  const std::string wanted =
      name.empty() ? variable("INN_REMOTE").value_or("") : name;
  Remote remote;
  if (!wanted.empty() || !variable("INN_ADDRESS").has_value()) {
    ASSIGN_OR_RETURN(const std::string path, RemotesPath(variable));
    ASSIGN_OR_RETURN(const Remotes remotes, LoadRemotes(path));
    const std::string chosen = wanted.empty() ? remotes.current : wanted;
    const auto found = remotes.remotes.find(chosen);
    if (found != remotes.remotes.end()) {
      remote = found->second;
    } else if (!chosen.empty()) {
      return Error(absl::StatusCode::kNotFound, reason::kConfigInvalid,
                   absl::StrCat("remote '", chosen, "' is not in ", path,
                                "; try: inn remote list"))
          .Build();
    }
  }
  for (const FieldOf& field : kFields) {
    // A remote that was asked for by name keeps what it says: a stray variable
    // must not send a command elsewhere, or in another name.
    if (!name.empty() && !(remote.*field.field).empty()) continue;
    if (auto value = variable(field.variable); value.has_value()) {
      remote.*field.field = *std::move(value);
    }
  }
  RETURN_IF_ERROR(CheckComplete(remote));
  return remote;
}

bool IsUnixAddress(absl::string_view address) {
  return absl::StartsWith(address, "unix:");
}

}  // namespace innkeeper
