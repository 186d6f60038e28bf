// What a guest's first processes tell the launcher until they execute.
#ifndef INNKEEPER_AGENT_LAUNCHER_CHILD_REPORT_H_
#define INNKEEPER_AGENT_LAUNCHER_CHILD_REPORT_H_

#include <sys/types.h>

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/launch/launch_steps.h"
#include "base/unique_fd.h"

namespace innkeeper {

// One datagram of the status channel, between processes of one program. The
// kernel adds the sender's pid and uid (SCM_CREDENTIALS), as the receiver's
// namespaces see them.
struct ChildReport {
  enum class Kind : uint32_t {
    kFailed = 1,       // `step`, `error` and `text` say how. The sender exits.
    kForked = 2,       // With QEMU's pidfd.
    kQemuReady = 3,    // Sent by QEMU's process, all but executed.
    kKeeperReady = 4,  // Sent by pid 1, all but executed.
  };
  Kind kind = Kind::kFailed;
  LaunchStep step = LaunchStep::kCheck;
  int32_t error = 0;
  uint64_t start_time_ticks = 0;  // kQemuReady: the sender's.
  char text[160] = {};
};

// A SOCK_SEQPACKET pair; whoever reads the first learns who wrote to the other.
struct StatusChannel {
  UniqueFd launcher;
  UniqueFd child;
};
absl::StatusOr<StatusChannel> MakeStatusChannel();

// Sends `report`, with `fd` if that is not -1. Cannot wait: the reader's buffer
// holds every report of a launch. A reader that is gone is no error.
void SendReport(int channel, const ChildReport& report, int fd);
// `status` as a report that `step` failed.
ChildReport FailureReport(LaunchStep step, const absl::Status& status);

struct ReceivedReport {
  bool closed = false;  // No writer is left: nothing else is set.
  ChildReport report;
  pid_t pid = 0;
  uid_t uid = 0;
  UniqueFd fd;
};
// The next report. DEADLINE_EXCEEDED if none comes by `deadline`.
absl::StatusOr<ReceivedReport> ReceiveReport(int channel, absl::Time deadline);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_CHILD_REPORT_H_
