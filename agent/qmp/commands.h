// The QMP commands that we use, with typed results.
//
// Input: untrusted. What QEMU returns is checked for its shape and bounded.
//
// Each function sends one command on `session` and calls `done` exactly once,
// on the loop's thread, after it has returned. Beside the errors of
// QmpSession::Execute each gives UNAVAILABLE (MONITOR_PROTOCOL) if QEMU returns
// something of another shape; the session stays open. To be called on the
// loop's thread only.
#ifndef INNKEEPER_AGENT_QMP_COMMANDS_H_
#define INNKEEPER_AGENT_QMP_COMMANDS_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "agent/qmp/run_state.h"
#include "agent/qmp/session.h"
#include "agent/qmp/version.h"
#include "base/completion.h"

namespace innkeeper {

struct QmpStatus {
  bool running = false;  // The guest's processors run.
  RunState state = RunState::kOther;
};

struct QmpKvm {
  bool enabled = false;  // This guest uses it.
  bool present = false;  // This QEMU can.
};

// What QEMU does when the guest resets, or shuts down.
enum class RebootAction : uint8_t { kReset, kShutdown };
enum class ShutdownAction : uint8_t { kPowerOff, kPause };

void QueryStatus(QmpSession* session, absl::Duration timeout,
                 Completion<QmpStatus> done);
void QueryVersion(QmpSession* session, absl::Duration timeout,
                  Completion<QmpVersion> done);
// The guest's name as given by -name, at most 256 printable bytes; empty if
// none was given.
void QueryName(QmpSession* session, absl::Duration timeout,
               Completion<std::string> done);
// The guest's UUID in lower case; all zeros if none was given.
void QueryUuid(QmpSession* session, absl::Duration timeout,
               Completion<std::string> done);
void QueryKvm(QmpSession* session, absl::Duration timeout,
              Completion<QmpKvm> done);

// Lets the guest run; it may be running.
void Cont(QmpSession* session, absl::Duration timeout, StatusCompletion done);
// Pauses the guest; it may be paused.
void Stop(QmpSession* session, absl::Duration timeout, StatusCompletion done);
// Presses the power button. That the guest shuts down is told by the event
// SHUTDOWN, if ever.
void SystemPowerdown(QmpSession* session, absl::Duration timeout,
                     StatusCompletion done);
// Presses the reset button.
void SystemReset(QmpSession* session, absl::Duration timeout,
                 StatusCompletion done);
// Ends QEMU. OK and UNAVAILABLE (MONITOR_CLOSED) both mean that it is going.
void Quit(QmpSession* session, absl::Duration timeout, StatusCompletion done);
void SetAction(QmpSession* session, RebootAction reboot,
               ShutdownAction shutdown, absl::Duration timeout,
               StatusCompletion done);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_QMP_COMMANDS_H_
