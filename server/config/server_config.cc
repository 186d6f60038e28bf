#include "server/config/server_config.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "auth/principal.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "rpc/config_file.h"
#include "server/config/server_config.pb.h"

namespace innkeeper {
namespace {

using Message = server::config::v1::ServerConfig;
using Faults = std::vector<FieldViolation>;

void CheckPath(absl::string_view field, const std::string& path, bool required,
               Faults* faults) {
  if (path.empty()) {
    if (required) faults->push_back({std::string(field), "is required"});
  } else if (!absl::StartsWith(path, "/")) {
    faults->push_back({std::string(field), "must be an absolute path"});
  }
}

Faults FindFaults(const ServerConfig& config) {
  Faults faults;
  if (!IsPrincipalName(config.name)) {
    faults.push_back({"name", "must match [a-z0-9][a-z0-9._-]{0,62}"});
  }
  if (!IsTrustDomain(config.trust_domain)) {
    faults.push_back({"trust_domain", "must be like a DNS name in lower case"});
  }
  if (config.listen_addresses.empty()) {
    faults.push_back({"listen_addresses", "is required: hosts enrol there"});
  }
  if (config.advertised_addresses.size() > 8) {
    faults.push_back({"advertised_addresses", "are at most 8"});
  }
  CheckPath("unix_socket", config.unix_socket, false, &faults);
  CheckPath("state_directory", config.state_directory, true, &faults);
  CheckPath("ca_file", config.ca_file, true, &faults);
  CheckPath("certificate_file", config.certificate_file, true, &faults);
  CheckPath("key_file", config.key_file, true, &faults);
  CheckPath("deny_list_file", config.deny_list_file, false, &faults);
  CheckPath("pki_directory", config.pki_directory, false, &faults);
  return faults;
}

ServerConfig FromMessage(const Message& message) {
  ServerConfig config;
  config.name = message.name();
  config.trust_domain = message.trust_domain();
  config.listen_addresses.assign(message.listen_addresses().begin(),
                                 message.listen_addresses().end());
  config.advertised_addresses.assign(message.advertised_addresses().begin(),
                                     message.advertised_addresses().end());
  if (config.advertised_addresses.empty()) {
    config.advertised_addresses = config.listen_addresses;
  }
  config.unix_socket = message.unix_socket();
  config.state_directory = message.state_directory();
  config.ca_file = message.ca_file();
  config.certificate_file = message.certificate_file();
  config.key_file = message.key_file();
  config.deny_list_file = message.deny_list_file();
  if (config.deny_list_file.empty() && !config.state_directory.empty()) {
    config.deny_list_file = absl::StrCat(config.state_directory, "/deny_list");
  }
  config.pki_directory = message.pki_directory();
  for (const Message::Binding& binding : message.bindings()) {
    config.bindings.push_back(
        {binding.role(), binding.principal(), binding.scope()});
  }
  return config;
}

void AddFaultsOf(const absl::Status& status, Faults* faults) {
  if (status.ok()) return;
  const ErrorDetails details = DetailsOf(status);
  if (details.fields.empty()) {
    faults->push_back({"", std::string(status.message())});
  }
  faults->insert(faults->end(), details.fields.begin(), details.fields.end());
}

absl::Status FaultsError(const std::string& path, const Faults& faults) {
  std::string text = absl::StrCat(path, " has faults:");
  for (const FieldViolation& fault : faults) {
    absl::StrAppend(&text, " ", fault.field, ": ", fault.description, ";");
  }
  text.pop_back();
  Error error(absl::StatusCode::kInvalidArgument, reason::kConfigInvalid, text);
  for (const FieldViolation& fault : faults) {
    error.Field(fault.field, fault.description);
  }
  return error.With("file", path);
}

}  // namespace

absl::StatusOr<ServerConfig> ReadServerConfig(const std::string& path) {
  Message message;
  RETURN_IF_ERROR(ReadConfigFile(path, &message));
  ServerConfig config = FromMessage(message);
  Faults faults = FindFaults(config);
  absl::StatusOr<LocalUsers> users =
      ParseLocalUsers(std::map<uint32_t, std::string>(
          message.local_users().begin(), message.local_users().end()));
  AddFaultsOf(users.status(), &faults);
  AddFaultsOf(Policy::Create(config.bindings).status(), &faults);
  if (!faults.empty()) return FaultsError(path, faults);
  config.local_users = *std::move(users);
  return config;
}

}  // namespace innkeeper
