// What a server was told at its start, checked. Nothing of it changes later.
#ifndef INNKEEPER_SERVER_CONFIG_SERVER_CONFIG_H_
#define INNKEEPER_SERVER_CONFIG_SERVER_CONFIG_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "auth/policy.h"
#include "auth/unix_peer.h"

namespace innkeeper {

// server_config.proto says what each field means.
struct ServerConfig {
  std::string name;
  std::string trust_domain;
  std::vector<std::string> listen_addresses;
  std::vector<std::string> advertised_addresses;
  std::string unix_socket;
  std::string state_directory;
  std::string ca_file;
  std::string certificate_file;
  std::string key_file;
  std::string deny_list_file;
  std::string pki_directory;
  std::vector<Binding> bindings;
  LocalUsers local_users;
};

// Reads and checks `path`. INVALID_ARGUMENT (CONFIG_INVALID) with the place of
// each fault of the syntax, or with every fault of the content at once.
absl::StatusOr<ServerConfig> ReadServerConfig(const std::string& path);

}  // namespace innkeeper

#endif  // INNKEEPER_SERVER_CONFIG_SERVER_CONFIG_H_
