// What an agent was told at its start, checked. Nothing of it changes later.
#ifndef INNKEEPER_AGENT_CONFIG_AGENT_CONFIG_H_
#define INNKEEPER_AGENT_CONFIG_AGENT_CONFIG_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/config/plugin_config.h"
#include "rpc/serving_config.h"

namespace innkeeper {

// agent_config.proto says what each field means.
struct AgentConfig : ServingConfig {
  std::string advertised_address;
  std::string enrolment_token_file;
  std::map<std::string, std::string> labels;
  std::map<std::string, std::string> pools;
  std::map<std::string, std::string> network_leases;
  std::string qemu_binary = "/usr/bin/qemu-system-x86_64";
  int64_t capacity_memory_bytes = 0;  // 0: of the machine.
  int64_t capacity_vcpu_count = 0;    // 0: of the machine.
  int64_t max_guests = 256;
  std::vector<PluginConfig> plugins;   // In the order in which they are asked.
  std::string owner_plugin_directory;  // Empty: none.
};

// Reads and checks `path`. INVALID_ARGUMENT (CONFIG_INVALID) with every fault
// of the content at once.
absl::StatusOr<AgentConfig> ReadAgentConfig(const std::string& path);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_CONFIG_AGENT_CONFIG_H_
