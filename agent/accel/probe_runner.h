// The way from the acceleration probe to whatever may start a process.
#ifndef INNKEEPER_AGENT_ACCEL_PROBE_RUNNER_H_
#define INNKEEPER_AGENT_ACCEL_PROBE_RUNNER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/completion.h"

namespace innkeeper {

// The descriptor under which a probe's process finds its image.
inline constexpr int kProbeImageFd = 3;

struct ProbeCommand {
  std::vector<std::string> argv;  // argv[0] is the path of the binary.
  std::string image;              // The contents of descriptor kProbeImageFd.
  absl::Duration timeout;
};

struct ProbeOutcome {
  enum class End : uint8_t { kExited, kSignaled, kTimedOut };

  End end = End::kTimedOut;
  int value = 0;        // The exit status or the signal; 0 after a timeout.
  std::string output;   // The start of its standard error; at most 4 KiB.
  absl::Duration took;  // From the start to the end or the timeout.
};

// Thread-safe; never blocks.
class ProbeRunner {
 public:
  virtual ~ProbeRunner() = default;
  // Runs `command` until it ends; kills it after its timeout. `done` is called
  // once, never before Run returns, on a thread that the implementation names.
  // Any error: the process was not started.
  virtual void Run(ProbeCommand command, Completion<ProbeOutcome> done) = 0;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_ACCEL_PROBE_RUNNER_H_
