// The main() of agent and server: flags, signals, start, end.
#ifndef INNKEEPER_RPC_PROCESS_H_
#define INNKEEPER_RPC_PROCESS_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace innkeeper {

// All that a process is, once its configuration was read. Used on the main
// thread. Not destroyed once it was started: its threads use each other, guests
// and operations go on without it, and only the end of the process ends
// everything at once.
class Process {
 public:
  virtual ~Process() = default;

  // Serves when it returns. An error names what cannot be used; whatever was
  // begun stays as it is.
  virtual absl::Status Start() = 0;

  // Takes no more calls, and gives those in flight their time to end.
  virtual void Stop() = 0;
};

struct ProcessInfo {
  // "agent": of innkeeper-agent, and who speaks in the log.
  std::string noun;
  // For --help: one sentence.
  std::string usage;
  // Reads and checks the configuration `path`. Has no other effect.
  std::function<absl::StatusOr<std::unique_ptr<Process>>(
      const std::string& path)>
      configure;
};

// Does what the arguments say: serves until SIGTERM or SIGINT (--config=FILE),
// checks the configuration (--check-config), or prints the version (--version)
// or the failpoints (--list-failpoints). The result is for main() to return; a
// process that began to start ends in here: with 0 when it was asked to stop,
// with 1 if it cannot start. Once a process, before it has any other thread.
int RunProcess(int argc, char** argv, const ProcessInfo& info);

}  // namespace innkeeper

#endif  // INNKEEPER_RPC_PROCESS_H_
