// innkeeper-agent: serves one host's guests. Started by innkeeper-launcher, as
// an unprivileged user. Wiring only.
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "agent/agent.h"
#include "agent/config/agent_config.h"
#include "base/status_macros.h"
#include "rpc/process.h"

namespace innkeeper {
namespace {

absl::StatusOr<std::unique_ptr<Process>> Configure(const std::string& path) {
  ASSIGN_OR_RETURN(AgentConfig config, ReadAgentConfig(path));
  return std::make_unique<Agent>(std::move(config));
}

}  // namespace
}  // namespace innkeeper

int main(int argc, char** argv) {
  return innkeeper::RunProcess(
      argc, argv,
      {"agent", "Serves the guests of one host. innkeeper-launcher starts it.",
       innkeeper::Configure});
}
