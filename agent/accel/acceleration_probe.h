// Finds out whether KVM really runs guests here. That /dev/kvm exists and opens
// proves nothing: on nested hosts guests may hang or die on it all the same.
#ifndef INNKEEPER_AGENT_ACCEL_ACCELERATION_PROBE_H_
#define INNKEEPER_AGENT_ACCEL_ACCELERATION_PROBE_H_

#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/accel/probe_runner.h"
#include "base/completion.h"

namespace innkeeper {

struct AccelerationReport {
  bool kvm = false;     // Guest code of ours ran on it.
  std::string reason;   // Why not, or that it did; at most 512 printable bytes.
  absl::Duration took;  // What the probe took.
};

// Boots kProbeBootSector on KVM. Thread-safe.
class AccelerationProbe {
 public:
  static constexpr absl::Duration kTimeout = absl::Seconds(2);

  // `qemu` is the path of the binary; `runner` must outlive every Probe().
  AccelerationProbe(absl::string_view qemu, ProbeRunner* runner,
                    absl::Duration timeout = kTimeout);

  // Gives `done` the report, on a thread of the runner, after at most the
  // timeout. Never an error: whatever goes wrong means that KVM is not usable.
  void Probe(Completion<AccelerationReport> done);

 private:
  const std::string qemu_;
  ProbeRunner* const runner_;
  const absl::Duration timeout_;
};

// What Probe() runs, with any accelerator ("kvm", "tcg").
ProbeCommand MakeProbeCommand(absl::string_view qemu,
                              absl::string_view accelerator,
                              absl::Duration timeout);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_ACCEL_ACCELERATION_PROBE_H_
