// The part of a configuration that every process which serves has.
#ifndef INNKEEPER_RPC_SERVING_CONFIG_H_
#define INNKEEPER_RPC_SERVING_CONFIG_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "auth/policy.h"
#include "auth/unix_peer.h"
#include "rpc/config_faults.h"

namespace innkeeper {

// agent_config.proto and server_config.proto say what each field means.
struct ServingConfig {
  std::string name;
  std::string trust_domain;
  std::vector<std::string> listen_addresses;
  std::string unix_socket;
  std::string state_directory;
  std::string ca_file;
  std::string certificate_file;
  std::string key_file;
  std::string deny_list_file;
  std::vector<Binding> bindings;
  LocalUsers local_users;
};

// Without kMutualTls a process may serve this machine's users alone; with an
// address to listen on it needs what TLS needs, too.
enum class ServingNeed { kUnixSocket, kMutualTls };

// Checks `config`, and turns `local_users`, uid to "user/NAME", into its own.
void CheckServingConfig(const std::map<uint32_t, std::string>& local_users,
                        ServingNeed need, ServingConfig* config,
                        ConfigFaults* faults);

// Fills in `config` from the fields of the same names of `message`, an
// AgentConfig or a ServerConfig, and checks it.
template <typename Message>
void ReadServingConfig(const Message& message, ServingNeed need,
                       ServingConfig* config, ConfigFaults* faults) {
  config->name = message.name();
  config->trust_domain = message.trust_domain();
  config->listen_addresses.assign(message.listen_addresses().begin(),
                                  message.listen_addresses().end());
  config->unix_socket = message.unix_socket();
  config->state_directory = message.state_directory();
  config->ca_file = message.ca_file();
  config->certificate_file = message.certificate_file();
  config->key_file = message.key_file();
  config->deny_list_file = message.deny_list_file();
  for (const auto& binding : message.bindings()) {
    config->bindings.push_back(
        {binding.role(), binding.principal(), binding.scope()});
  }
  CheckServingConfig(
      {message.local_users().begin(), message.local_users().end()}, need,
      config, faults);
}

}  // namespace innkeeper

#endif  // INNKEEPER_RPC_SERVING_CONFIG_H_
