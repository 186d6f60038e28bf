#include "agent/config/agent_config.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "agent/config/agent_config.pb.h"
#include "auth/principal.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "rpc/config_file.h"

namespace innkeeper {
namespace {

using Message = agent::config::v1::AgentConfig;

void CheckPath(absl::string_view field, const std::string& path, bool required,
               std::vector<FieldViolation>* faults) {
  if (path.empty() ? required : !absl::StartsWith(path, "/")) {
    faults->push_back({std::string(field), path.empty()
                                               ? "is required"
                                               : "must be an absolute path"});
  }
}

std::vector<FieldViolation> FindFaults(const AgentConfig& config) {
  std::vector<FieldViolation> faults;
  const absl::StatusOr<Principal> self =
      Principal::Parse(absl::StrCat("host/", config.name));
  if (!self.ok()) {
    faults.push_back({"name", "must match [a-z0-9][a-z0-9._-]{0,62}"});
  }
  CheckPath("unix_socket", config.unix_socket, true, &faults);
  CheckPath("state_directory", config.state_directory, true, &faults);
  const bool tls = !config.listen_addresses.empty();
  if (tls && config.trust_domain.empty()) {
    faults.push_back({"trust_domain", "is required to listen"});
  }
  CheckPath("ca_file", config.ca_file, tls, &faults);
  CheckPath("certificate_file", config.certificate_file, tls, &faults);
  CheckPath("key_file", config.key_file, tls, &faults);
  CheckPath("deny_list_file", config.deny_list_file, false, &faults);
  CheckPath("enrolment_token_file", config.enrolment_token_file, false,
            &faults);
  CheckPath("qemu_binary", config.qemu_binary, true, &faults);
  for (const auto& [pool, directory] : config.pools) {
    CheckPath(absl::StrCat("pools[", pool, "]"), directory, true, &faults);
  }
  if (config.capacity_memory_bytes < 0) {
    faults.push_back({"capacity_memory_bytes", "must not be negative"});
  }
  if (config.capacity_vcpu_count < 0) {
    faults.push_back({"capacity_vcpu_count", "must not be negative"});
  }
  if (config.max_guests < 1 || config.max_guests > 10000) {
    faults.push_back({"max_guests", "must be 1 to 10,000"});
  }
  return faults;
}

}  // namespace

absl::StatusOr<AgentConfig> ReadAgentConfig(const std::string& path) {
  Message message;
  RETURN_IF_ERROR(ReadConfigFile(path, &message));
  AgentConfig config;
  config.name = message.name();
  config.trust_domain = message.trust_domain();
  config.listen_addresses.assign(message.listen_addresses().begin(),
                                 message.listen_addresses().end());
  config.advertised_address = message.advertised_address();
  if (config.advertised_address.empty() && !config.listen_addresses.empty()) {
    config.advertised_address = config.listen_addresses[0];
  }
  config.unix_socket = message.unix_socket();
  config.state_directory = message.state_directory();
  config.ca_file = message.ca_file();
  config.certificate_file = message.certificate_file();
  config.key_file = message.key_file();
  config.deny_list_file = message.deny_list_file();
  config.enrolment_token_file = message.enrolment_token_file();
  for (const Message::Binding& binding : message.bindings()) {
    config.bindings.push_back(
        {binding.role(), binding.principal(), binding.scope()});
  }
  config.labels.insert(message.labels().begin(), message.labels().end());
  config.pools.insert(message.pools().begin(), message.pools().end());
  if (!message.qemu_binary().empty()) {
    config.qemu_binary = message.qemu_binary();
  }
  config.capacity_memory_bytes = message.capacity_memory_bytes();
  config.capacity_vcpu_count = message.capacity_vcpu_count();
  if (message.max_guests() != 0) config.max_guests = message.max_guests();

  std::vector<FieldViolation> faults = FindFaults(config);
  absl::StatusOr<LocalUsers> users =
      ParseLocalUsers(std::map<uint32_t, std::string>(
          message.local_users().begin(), message.local_users().end()));
  const absl::StatusOr<Policy> policy = Policy::Create(config.bindings);
  for (const absl::Status& status : {users.status(), policy.status()}) {
    if (status.ok()) continue;
    const ErrorDetails details = DetailsOf(status);
    if (details.fields.empty()) {
      faults.push_back({"", std::string(status.message())});
    }
    for (const FieldViolation& fault : details.fields) faults.push_back(fault);
  }
  if (!faults.empty()) {
    std::string text = absl::StrCat(path, " has faults:");
    for (const FieldViolation& fault : faults) {
      absl::StrAppend(&text, " ", fault.field, ": ", fault.description, ";");
    }
    text.pop_back();
    Error error(absl::StatusCode::kInvalidArgument, reason::kConfigInvalid,
                text);
    for (const FieldViolation& fault : faults) {
      error.Field(fault.field, fault.description);
    }
    return error.With("file", path).Build();
  }
  config.local_users = *std::move(users);
  return config;
}

}  // namespace innkeeper
