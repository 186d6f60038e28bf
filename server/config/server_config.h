// What a server was told at its start, checked. Nothing of it changes later.
#ifndef INNKEEPER_SERVER_CONFIG_SERVER_CONFIG_H_
#define INNKEEPER_SERVER_CONFIG_SERVER_CONFIG_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "rpc/serving_config.h"

namespace innkeeper {

// server_config.proto says what each field means.
struct ServerConfig : ServingConfig {
  std::vector<std::string> advertised_addresses;
  std::string pki_directory;
};

// Reads and checks `path`. INVALID_ARGUMENT (CONFIG_INVALID) with the place of
// each fault of the syntax, or with every fault of the content at once.
absl::StatusOr<ServerConfig> ReadServerConfig(const std::string& path);

}  // namespace innkeeper

#endif  // INNKEEPER_SERVER_CONFIG_SERVER_CONFIG_H_
