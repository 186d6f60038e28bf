#include "agent/config/agent_config.h"

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "agent/config/agent_config.pb.h"
#include "base/status_macros.h"
#include "rpc/config_faults.h"
#include "rpc/config_file.h"
#include "rpc/serving_config.h"

namespace innkeeper {
namespace {

using Message = agent::config::v1::AgentConfig;

void Check(const AgentConfig& config, ConfigFaults* faults) {
  faults->CheckPath("enrolment_token_file", config.enrolment_token_file, false);
  faults->CheckPath("qemu_binary", config.qemu_binary, true);
  for (const auto& [pool, directory] : config.pools) {
    faults->CheckPath(absl::StrCat("pools[", pool, "]"), directory, true);
  }
  for (const auto& [network, file] : config.network_leases) {
    faults->CheckPath(absl::StrCat("network_leases[", network, "]"), file,
                      true);
  }
  if (config.capacity_memory_bytes < 0) {
    faults->Add("capacity_memory_bytes", "must not be negative");
  }
  if (config.capacity_vcpu_count < 0) {
    faults->Add("capacity_vcpu_count", "must not be negative");
  }
  if (config.max_guests < 1 || config.max_guests > 10000) {
    faults->Add("max_guests", "must be 1 to 10,000");
  }
}

}  // namespace

absl::StatusOr<AgentConfig> ReadAgentConfig(const std::string& path) {
  Message message;
  RETURN_IF_ERROR(ReadConfigFile(path, &message));
  AgentConfig config;
  ConfigFaults faults;
  ReadServingConfig(message, ServingNeed::kUnixSocket, &config, &faults);
  config.advertised_address = message.advertised_address();
  if (config.advertised_address.empty() && !config.listen_addresses.empty()) {
    config.advertised_address = config.listen_addresses[0];
  }
  config.enrolment_token_file = message.enrolment_token_file();
  config.labels.insert(message.labels().begin(), message.labels().end());
  config.pools.insert(message.pools().begin(), message.pools().end());
  config.network_leases.insert(message.network_leases().begin(),
                               message.network_leases().end());
  if (!message.qemu_binary().empty()) {
    config.qemu_binary = message.qemu_binary();
  }
  config.capacity_memory_bytes = message.capacity_memory_bytes();
  config.capacity_vcpu_count = message.capacity_vcpu_count();
  if (message.max_guests() != 0) config.max_guests = message.max_guests();
  Check(config, &faults);
  RETURN_IF_ERROR(faults.ToStatus(path));
  return config;
}

}  // namespace innkeeper
