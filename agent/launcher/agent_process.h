// The agent as a child of the launcher.
#ifndef INNKEEPER_AGENT_LAUNCHER_AGENT_PROCESS_H_
#define INNKEEPER_AGENT_LAUNCHER_AGENT_PROCESS_H_

#include <sys/types.h>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "agent/launcher/config.h"
#include "base/unique_fd.h"

namespace innkeeper {

// Not thread-safe.
class AgentProcess {
 public:
  // `config` must outlive this.
  explicit AgentProcess(const LauncherConfig& config) : config_(config) {}

  // Starts the agent as its user, without privilege: its end of the socketpair
  // is descriptor 3, it inherits standard output, error and the environment,
  // and nothing else; it has a session of its own and leaves no core file. An
  // error counts as a run that ended at once.
  absl::Status Start(absl::Time now);
  // Sends `signal` if the agent runs.
  void Signal(int signal) const;
  // The agent has ended: closes the socket and works out when to start it
  // again: after 0.2 s, twice as long each time up to 10 s, and from 0.2 s anew
  // once it has run for 30 s.
  void Ended(absl::Time now);
  void CloseSocket() { socket_.reset(); }

  pid_t pid() const { return pid_; }  // 0: not running.
  int socket() const { return socket_.get(); }
  absl::Time next_start() const { return next_start_; }

 private:
  [[noreturn]] void Exec(int socket) const;

  const LauncherConfig& config_;
  pid_t pid_ = 0;
  UniqueFd socket_;
  absl::Time started_;
  absl::Time next_start_;
  absl::Duration back_off_ = absl::Milliseconds(200);
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_AGENT_PROCESS_H_
