// A whole agent: every part of it, made in the right order.
#ifndef INNKEEPER_AGENT_AGENT_H_
#define INNKEEPER_AGENT_AGENT_H_

#include <memory>

#include "absl/status/statusor.h"
#include "agent/config/agent_config.h"

namespace innkeeper {

// Used from the main thread. Lives until the process ends.
class Agent {
 public:
  // Connects to the launcher, enrols if need be, takes over what runs, and
  // serves. InitTls() comes first. Errors name what cannot be used.
  static absl::StatusOr<std::unique_ptr<Agent>> Start(AgentConfig config);
  ~Agent();

  // Serves until `stop_fd` is readable (true) or the launcher is lost (false);
  // then drains for at most 3 s.
  bool RunUntil(int stop_fd);

 private:
  struct Parts;

  explicit Agent(std::unique_ptr<Parts> parts);

  std::unique_ptr<Parts> parts_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_AGENT_H_
