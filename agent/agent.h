// A whole agent: every part of it, made in the right order.
#ifndef INNKEEPER_AGENT_AGENT_H_
#define INNKEEPER_AGENT_AGENT_H_

#include <memory>

#include "absl/status/status.h"
#include "agent/config/agent_config.h"
#include "rpc/process.h"

namespace innkeeper {

// As Process says.
class Agent final : public Process {
 public:
  explicit Agent(AgentConfig config);
  ~Agent() override;

  // Connects to the launcher, enrols if need be, takes over what runs, and
  // serves. Where the launcher is lost, now or later, the process ends at once,
  // with status 1.
  absl::Status Start() override;
  void Stop() override;

 private:
  struct Parts;

  const std::unique_ptr<Parts> parts_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_AGENT_H_
