#include "server/config/server_config.h"

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "rpc/config_faults.h"
#include "rpc/config_file.h"
#include "rpc/serving_config.h"
#include "server/config/server_config.pb.h"

namespace innkeeper {
namespace {

using Message = server::config::v1::ServerConfig;

constexpr size_t kMaxAdvertisedAddresses = 8;

}  // namespace

absl::StatusOr<ServerConfig> ReadServerConfig(const std::string& path) {
  Message message;
  RETURN_IF_ERROR(ReadConfigFile(path, &message));
  ServerConfig config;
  ConfigFaults faults;
  ReadServingConfig(message, ServingNeed::kMutualTls, &config, &faults);
  config.advertised_addresses.assign(message.advertised_addresses().begin(),
                                     message.advertised_addresses().end());
  if (config.advertised_addresses.empty()) {
    config.advertised_addresses = config.listen_addresses;
  }
  if (config.advertised_addresses.size() > kMaxAdvertisedAddresses) {
    faults.Add("advertised_addresses",
               absl::StrCat("are at most ", kMaxAdvertisedAddresses));
  }
  if (config.deny_list_file.empty() && !config.state_directory.empty()) {
    config.deny_list_file = absl::StrCat(config.state_directory, "/deny_list");
  }
  config.pki_directory = message.pki_directory();
  faults.CheckPath("pki_directory", config.pki_directory, false);
  RETURN_IF_ERROR(faults.ToStatus(path));
  return config;
}

}  // namespace innkeeper
