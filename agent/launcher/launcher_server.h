// The launcher's only loop: serves one agent and keeps it running.
#ifndef INNKEEPER_AGENT_LAUNCHER_LAUNCHER_SERVER_H_
#define INNKEEPER_AGENT_LAUNCHER_LAUNCHER_SERVER_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/launcher/agent_process.h"
#include "agent/launcher/config.h"
#include "agent/launcher/guest_launcher.h"
#include "agent/launcher/protocol.h"
#include "base/unique_fd.h"

namespace innkeeper {

// What a request is answered.
struct Answer {
  absl::Status status;
  std::string body;  // Only if `status` is OK.
  UniqueFd fd;       // To be sent along; may be invalid.
};

// Not thread-safe.
class LauncherServer {
 public:
  // Both must outlive this.
  LauncherServer(const LauncherConfig& config, GuestLauncher& guests)
      : config_(config), guests_(guests), agent_(config) {}

  // Starts the agent and serves it until SIGTERM or SIGINT; then ends the agent
  // and returns. Guests live on. Changes the signal mask of the process.
  absl::Status Run();

 private:
  // Reads signals; true to go on.
  bool HandleSignals(int signal_fd);
  void ReapChildren();
  void HandleDatagram();
  Answer Handle(const Message& message);
  Answer HandleLaunch(absl::string_view payload);
  Answer HandleOpenImage(absl::string_view payload);
  void Reply(const Message& message, const Answer& answer);
  // The agent broke the protocol or left its socket: it is ended, and started
  // again as after any other end.
  void DropAgent(absl::string_view why);
  void StopAgent();

  const LauncherConfig& config_;
  GuestLauncher& guests_;
  AgentProcess agent_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_LAUNCHER_SERVER_H_
