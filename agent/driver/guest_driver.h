// The seam between what a guest is to do and how a host makes it do that.
#ifndef INNKEEPER_AGENT_DRIVER_GUEST_DRIVER_H_
#define INNKEEPER_AGENT_DRIVER_GUEST_DRIVER_H_

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/driver/guest_event_sink.h"
#include "agent/guest/guest_record.h"
#include "agent/security/security_check.h"
#include "base/completion.h"

namespace innkeeper {

// A guest that was launched or adopted.
struct DriverGuest {
  GuestProcess process;
  std::string machine_type;  // "pc-q35-7.2"
  Accel accel = Accel::kTcg;
  std::string accel_reason;
  RunState run_state = RunState::kPaused;
  // False: adopted, but its monitor did not answer; `run_state` is a guess.
  bool responsive = true;
};

// A guest that outlived the agent, as the host itself remembers it.
struct FoundGuest {
  GuestRecord record;  // From its manifest: as it was at its launch.
  GuestProcess process;
  bool running = false;  // Its process is there.
  // How the process ended, where it has left word.
  std::optional<GuestExit> exit;
  std::string error_text;  // As in GuestEventSink::OnExit.
};

// One descriptor that a guest's process would be given.
struct ExplainedFd {
  int number = 0;
  std::string what;  // "monitor", "pools/main/volumes/root"
};

// What a launch would do.
struct LaunchExplanation {
  std::vector<std::string> argv;
  std::vector<ExplainedFd> fds;
  std::vector<std::string> steps;  // Of confinement, in order.
  std::string machine_type;
  Accel accel = Accel::kTcg;
  std::string accel_reason;
};

// Sees what a launch will do once that is decided, before anything is made, and
// says whether it goes on. Called on the loop; answers there, at once or later.
using LastLook =
    std::function<void(const GuestRecord& guest,
                       const LaunchExplanation& launch, StatusCompletion done)>;

// Runs guests on this host by one means. All methods are called on the event
// loop that the driver was made with, return at once, and call their completion
// on that loop later, never from inside the call. The caller holds the guest's
// Job for every method that changes it, but for Kill, which needs none. A
// guest is named by its id. Each completion comes within a time of the driver's
// own, with DEADLINE_EXCEEDED or UNAVAILABLE at the latest, however the guest
// behaves.
class GuestDriver {
 public:
  virtual ~GuestDriver() = default;

  // Who is told what guests do by themselves. Called once, before all else.
  virtual void SetEventSink(GuestEventSink* sink) = 0;

  // Who sees every launch last; null: nobody. A launch fails with what it says.
  virtual void SetLastLook(LastLook look) = 0;

  // Says what Launch would do, or every reason why it would refuse
  // (FAILED_PRECONDITION with all of them; NOT_FOUND never).
  virtual void Explain(const GuestRecord& guest,
                       Completion<LaunchExplanation> done) = 0;

  // Compares what confines the guest's process, as the kernel has it, with what
  // was asked for. FAILED_PRECONDITION (GUEST_NOT_RUNNING) without a process.
  virtual void Review(const GuestRecord& guest,
                      Completion<SecurityReport> done) = 0;

  // Starts the guest's process, confined, and answers once its monitor does:
  // the processors run unless spec.start_paused. If it fails, nothing of the
  // guest remains on the host.
  virtual void Launch(const GuestRecord& guest,
                      Completion<DriverGuest> done) = 0;

  // All guests of this driver that the host has something of.
  virtual void Find(Completion<std::vector<FoundGuest>> done) = 0;

  // Takes over a guest whose process outlived the previous agent, and that
  // Find() has given. NOT_FOUND (GUEST_EXITED) if the process is gone. With
  // `let_run` processors that never ran are let run, because the launch was cut
  // off before it could; a guest that was paused stays so. One that does not
  // answer is adopted all the same: `responsive` is false, and the event sink
  // is told once it answers.
  virtual void Adopt(const GuestRecord& guest, bool let_run,
                     Completion<DriverGuest> done) = 0;

  // Of this and the next three: NOT_FOUND (GUEST_EXITED) without a process that
  // was launched or adopted; DEADLINE_EXCEEDED (GUEST_UNRESPONSIVE) if the
  // guest does not answer, which the event sink is told, too; UNAVAILABLE
  // (MONITOR_CLOSED) while its monitor is connected to anew. What they change
  // is told like what the guest does by itself.
  //
  // OK without an event if the processors are halted already.
  virtual void Pause(absl::string_view guest, StatusCompletion done) = 0;
  // OK without an event if they run already.
  virtual void Resume(absl::string_view guest, StatusCompletion done) = 0;
  // Presses the power button. OK says that it was pressed, not that the guest
  // cares: its exit comes through the event sink.
  virtual void PowerDown(absl::string_view guest, StatusCompletion done) = 0;
  virtual void Reset(absl::string_view guest, StatusCompletion done) = 0;
  // Ends the process whatever it is doing. OK if it has ended already or there
  // is none; the exit, by SIGKILL, comes through the event sink.
  virtual void Kill(absl::string_view guest, StatusCompletion done) = 0;

  // Frees all that the host has of a guest, but for what it keeps over its
  // starts; kills its process if there is one, without a word to the event
  // sink. OK if there is nothing.
  virtual void Remove(absl::string_view guest, StatusCompletion done) = 0;

  // Frees what a guest with this uid keeps while it has no process (UEFI
  // variables), once it is to exist no more. OK if there is nothing.
  // FAILED_PRECONDITION (GUEST_NOT_STOPPED) unless it was removed before.
  virtual void Forget(absl::string_view uid, StatusCompletion done) = 0;

  // The path of the unix socket that carries the first serial port.
  // FAILED_PRECONDITION (CONSOLE_UNAVAILABLE) without a process.
  virtual absl::StatusOr<std::string> ConsolePath(
      absl::string_view guest) const = 0;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_DRIVER_GUEST_DRIVER_H_
