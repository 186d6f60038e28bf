// Runs probes as children of this very process.
#ifndef INNKEEPER_AGENT_ACCEL_PROCESS_PROBE_RUNNER_H_
#define INNKEEPER_AGENT_ACCEL_PROCESS_PROBE_RUNNER_H_

#include "agent/accel/probe_runner.h"
#include "base/completion.h"
#include "base/event_loop.h"

namespace innkeeper {

// The child has this process's user and rights, an empty environment and no
// descriptors but 0 to 2 and the image. Completions run on the loop. A child
// that outlives its timeout is killed; it is reaped when it has gone, which a
// broken KVM may delay. Not to be used by a process that reaps children it
// does not know.
class ProcessProbeRunner : public ProbeRunner {
 public:
  // `loop` must outlive the runner.
  explicit ProcessProbeRunner(EventLoop* loop) : loop_(loop) {}

  // Errors: SYSTEM_ERROR, as ErrnoError.
  void Run(ProbeCommand command, Completion<ProbeOutcome> done) override;

 private:
  EventLoop* const loop_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_ACCEL_PROCESS_PROBE_RUNNER_H_
