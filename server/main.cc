// innkeeper-server: makes one cluster of many hosts. Wiring only.
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "base/status_macros.h"
#include "rpc/process.h"
#include "server/config/server_config.h"
#include "server/server.h"

namespace innkeeper {
namespace {

absl::StatusOr<std::unique_ptr<Process>> Configure(const std::string& path) {
  ASSIGN_OR_RETURN(ServerConfig config, ReadServerConfig(path));
  return std::make_unique<Server>(std::move(config));
}

}  // namespace
}  // namespace innkeeper

int main(int argc, char** argv) {
  return innkeeper::RunProcess(
      argc, argv,
      {"server", "Serves the guests of all hosts of a cluster.",
       innkeeper::Configure});
}
