// How long the driver waits for a QEMU, and how often it tries again.
#ifndef INNKEEPER_AGENT_DRIVER_QEMU_QEMU_TIMINGS_H_
#define INNKEEPER_AGENT_DRIVER_QEMU_QEMU_TIMINGS_H_

#include "absl/time/time.h"

namespace innkeeper {

// A value. The defaults are for production; tests take shorter ones.
struct QemuTimings {
  // From the start of the process to the first answer of its monitor, and for
  // the command that lets it run. A busy host may need seconds; one that needs
  // longer has another problem.
  absl::Duration handshake = absl::Seconds(30);
  // The same for a guest that is adopted: it has been up for long.
  absl::Duration adopt = absl::Seconds(5);
  absl::Duration command = absl::Seconds(5);
  // A monitor that hangs up on a launch is that of a process that ends, which
  // says why; longer than `exit_record`. One that lives on has failed.
  absl::Duration hung_up = absl::Seconds(4);
  // The keeper writes its record as soon as it has reaped QEMU.
  absl::Duration exit_record = absl::Seconds(2);
  // A lost monitor is connected to again after this.
  absl::Duration redial = absl::Seconds(1);
  // A silent monitor is asked again after this, and has as long to answer.
  absl::Duration probe = absl::Seconds(2);
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_DRIVER_QEMU_QEMU_TIMINGS_H_
