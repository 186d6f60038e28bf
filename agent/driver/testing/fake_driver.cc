#include "agent/driver/testing/fake_driver.h"

#include <signal.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "base/error.h"
#include "base/reason.h"

namespace innkeeper {
namespace {

absl::Status NoProcess(absl::string_view guest) {
  return Error(absl::StatusCode::kNotFound, reason::kGuestExited,
               absl::StrCat("the process of guest '", guest, "' has ended"))
      .With("guest", guest);
}

absl::Status Unresponsive(absl::string_view guest) {
  return Error(absl::StatusCode::kDeadlineExceeded, reason::kGuestUnresponsive,
               absl::StrCat("guest '", guest, "' did not answer"))
      .With("guest", guest);
}

// OK if this host can launch `guest`.
absl::Status CheckHost(const GuestRecord& guest) {
  if (guest.spec.accel != Accel::kKvm) return absl::OkStatus();
  return Error(absl::StatusCode::kFailedPrecondition,
               reason::kAccelerationUnavailable,
               "KVM does not run guests on this host")
      .Precondition(reason::kAccelerationUnavailable,
                    absl::StrCat("guests/", guest.id), "there is no KVM");
}

LaunchExplanation ExplainFake(const GuestRecord& guest) {
  LaunchExplanation explanation;
  explanation.argv = {"fake", guest.id};
  explanation.fds = {{3, "monitor"}};
  explanation.accel_reason = "there is no KVM here";
  explanation.machine_type = "pc-q35-7.2";
  explanation.steps = {"none: there is no process"};
  return explanation;
}

}  // namespace

absl::Status FakeDriver::FaultOf(const std::string& verb) {
  const auto fault = faults_.find(verb);
  return fault == faults_.end() ? absl::OkStatus() : fault->second;
}

bool FakeDriver::HasProcess(absl::string_view guest) const {
  const auto found = guests_.find(guest);
  return found != guests_.end() && found->second.running;
}

std::vector<std::string> FakeDriver::guests() const {
  std::vector<std::string> ids;
  for (const auto& [id, unused] : guests_) ids.push_back(id);
  return ids;
}

void FakeDriver::SetEventSink(GuestEventSink* sink) {
  sink_ = sink;
  for (auto& [unused, guest] : guests_) guest.attached = guest.found = false;
}

void FakeDriver::Explain(const GuestRecord& guest,
                         Completion<LaunchExplanation> done) {
  absl::StatusOr<LaunchExplanation> result = ExplainFake(guest);
  absl::Status fault = FaultOf("explain");
  if (fault.ok()) fault = CheckHost(guest);
  if (!fault.ok()) result = fault;
  loop_->Post([result = std::move(result), done = std::move(done)]() mutable {
    done(std::move(result));
  });
}

void FakeDriver::Review(const GuestRecord& guest,
                        Completion<SecurityReport> done) {
  // The launcher answers also for a guest that hangs.
  absl::Status status = FaultOf("review");
  SecurityReport report;
  const auto found = guests_.find(guest.id);
  if (status.ok() && (found == guests_.end() || !found->second.running)) {
    status =
        Error(absl::StatusCode::kFailedPrecondition, reason::kGuestNotRunning,
              absl::StrCat("guest '", guest.id, "' has no process"));
  }
  if (status.ok()) {
    report.process = found->second.state.process;
    report.checks = {{"fake.process", "whether there is a process", "none",
                      "none", SecurityVerdict::kSame, "the table"},
                     {"fake.jail", "whether it is confined", "yes", "no",
                      SecurityVerdict::kDifferent, "the table"}};
  }
  loop_->Post(
      [status, report = std::move(report), done = std::move(done)]() mutable {
        if (!status.ok()) return done(status);
        done(std::move(report));
      });
}

void FakeDriver::Launch(const GuestRecord& guest,
                        Completion<DriverGuest> done) {
  if (hold_launches_) {
    held_.emplace_back(guest, std::move(done));
    return;
  }
  FinishLaunch(guest, std::move(done));
}

void FakeDriver::ReleaseLaunches() {
  hold_launches_ = false;
  for (auto& [guest, done] : std::exchange(held_, {})) {
    FinishLaunch(guest, std::move(done));
  }
}

void FakeDriver::FinishLaunch(const GuestRecord& guest,
                              Completion<DriverGuest> done) {
  absl::Status fault = FaultOf("launch");
  if (fault.ok()) fault = CheckHost(guest);
  if (!fault.ok()) {
    return loop_->Post(
        [fault, done = std::move(done)]() mutable { done(fault); });
  }
  if (look_ == nullptr) return MakeGuest(guest, std::move(done));
  auto answer = std::make_shared<Completion<DriverGuest>>(std::move(done));
  look_(guest, ExplainFake(guest), [this, guest, answer](absl::Status seen) {
    if (seen.ok()) return MakeGuest(guest, std::move(*answer));
    loop_->Post([seen, answer] { (*answer)(seen); });
  });
}

void FakeDriver::MakeGuest(const GuestRecord& guest,
                           Completion<DriverGuest> done) {
  ++launches_;
  Guest& entry = guests_[guest.id];
  entry = Guest();
  entry.record = guest;
  entry.state.process.pid = next_pid_++;
  entry.state.process.boot_id = "boot";
  entry.state.machine_type = "pc-q35-7.2";
  entry.state.run_state =
      guest.spec.start_paused ? RunState::kPaused : RunState::kRunning;
  entry.has_run = !guest.spec.start_paused;
  loop_->Post([state = entry.state, done = std::move(done)]() mutable {
    done(std::move(state));
  });
}

void FakeDriver::Find(Completion<std::vector<FoundGuest>> done) {
  std::vector<FoundGuest> found;
  for (auto& [unused, guest] : guests_) {
    FoundGuest one;
    one.record = guest.record;
    one.process = guest.state.process;
    one.running = guest.running;
    if (!guest.running) one.exit = guest.exit;
    guest.found = true;
    found.push_back(std::move(one));
  }
  loop_->Post([found = std::move(found), done = std::move(done)]() mutable {
    done(std::move(found));
  });
}

void FakeDriver::Adopt(const GuestRecord& guest, bool let_run,
                       Completion<DriverGuest> done) {
  absl::StatusOr<DriverGuest> result = NoProcess(guest.id);
  const auto found = guests_.find(guest.id);
  if (found != guests_.end() && found->second.running && found->second.found) {
    Guest& adopted = found->second;
    adopted.attached = true;
    if (let_run && !adopted.has_run && !adopted.hung) LetRun(adopted);
    result = adopted.state;
    result->responsive = !adopted.hung;
    if (adopted.hung) result->run_state = RunState::kRunning;
  }
  loop_->Post([result = std::move(result), done = std::move(done)]() mutable {
    done(std::move(result));
  });
}

absl::StatusOr<FakeDriver::Guest*> FakeDriver::FindFor(
    const std::string& verb, absl::string_view guest) {
  const absl::Status fault = FaultOf(verb);
  if (!fault.ok()) return fault;
  const auto found = guests_.find(guest);
  if (found == guests_.end() || !found->second.running ||
      !found->second.attached) {
    return NoProcess(guest);
  }
  if (found->second.hung) return Unresponsive(guest);
  return &found->second;
}

void FakeDriver::Command(const std::string& verb, absl::string_view guest,
                         StatusCompletion done,
                         void (FakeDriver::*act)(Guest&)) {
  const absl::StatusOr<Guest*> found = FindFor(verb, guest);
  if (found.ok()) (this->*act)(**found);
  loop_->Post([status = found.status(), done = std::move(done)]() mutable {
    done(std::move(status));
  });
}

void FakeDriver::Pause(absl::string_view guest, StatusCompletion done) {
  Command("pause", guest, std::move(done), &FakeDriver::Halt);
}

void FakeDriver::Resume(absl::string_view guest, StatusCompletion done) {
  Command("resume", guest, std::move(done), &FakeDriver::LetRun);
}

void FakeDriver::PowerDown(absl::string_view guest, StatusCompletion done) {
  Command("power_down", guest, std::move(done), &FakeDriver::PressButton);
}

void FakeDriver::Reset(absl::string_view guest, StatusCompletion done) {
  Command("reset", guest, std::move(done), &FakeDriver::ResetMachine);
}

void FakeDriver::Kill(absl::string_view guest, StatusCompletion done) {
  const absl::Status status = FaultOf("kill");
  loop_->Post([status, done = std::move(done)]() mutable { done(status); });
  // What would leave word is killed as well.
  if (status.ok()) {
    End(guest, {ExitKind::kSignaled, SIGKILL, absl::Now()},
        /*leaves_word=*/false);
  }
}

void FakeDriver::Remove(absl::string_view guest, StatusCompletion done) {
  const absl::Status status = FaultOf("remove");
  if (status.ok()) guests_.erase(std::string(guest));
  loop_->Post([status, done = std::move(done)]() mutable { done(status); });
}

void FakeDriver::Forget(absl::string_view uid, StatusCompletion done) {
  absl::Status status = FaultOf("forget");
  for (const auto& [id, guest] : guests_) {
    if (guest.record.uid != uid) continue;
    status =
        Error(absl::StatusCode::kFailedPrecondition, reason::kGuestNotStopped,
              absl::StrCat("guest '", id, "' was not removed"));
  }
  if (status.ok()) forgotten_.emplace_back(uid);
  loop_->Post([status, done = std::move(done)]() mutable { done(status); });
}

absl::StatusOr<std::string> FakeDriver::ConsolePath(
    absl::string_view guest) const {
  const auto found = guests_.find(guest);
  if (found == guests_.end() || !found->second.running ||
      !found->second.attached) {
    return Error(absl::StatusCode::kFailedPrecondition,
                 reason::kConsoleUnavailable,
                 absl::StrCat("guest '", guest, "' has no process"))
        .With("guest", guest)
        .Build();
  }
  return console_path_;
}

void FakeDriver::Exit(absl::string_view guest, ExitKind kind, int32_t value) {
  End(guest, {kind, value, absl::Now()}, /*leaves_word=*/true);
}

void FakeDriver::End(absl::string_view guest, const GuestExit& exit,
                     bool leaves_word) {
  const auto found = guests_.find(guest);
  if (found == guests_.end() || !found->second.running) return;
  found->second.running = false;
  if (leaves_word) found->second.exit = exit;
  Tell(found->second, [id = std::string(guest), exit](GuestEventSink* sink) {
    sink->OnExit(id, exit, "");
  });
}

void FakeDriver::SetRunState(absl::string_view guest, RunState state) {
  const auto found = guests_.find(guest);
  if (found != guests_.end()) ChangeRunState(found->second, state);
}

void FakeDriver::Hang(absl::string_view guest) {
  const auto found = guests_.find(guest);
  if (found == guests_.end()) return;
  found->second.hung = true;
  Tell(found->second, [id = std::string(guest)](GuestEventSink* sink) {
    sink->OnResponsive(id, false);
  });
}

void FakeDriver::Unhang(absl::string_view guest) {
  const auto found = guests_.find(guest);
  if (found == guests_.end()) return;
  found->second.hung = false;
  Tell(found->second, [id = std::string(guest)](GuestEventSink* sink) {
    sink->OnResponsive(id, true);
  });
}

void FakeDriver::ChangeRunState(Guest& guest, RunState state) {
  if (state == RunState::kRunning) guest.has_run = true;
  if (guest.state.run_state == state) return;
  guest.state.run_state = state;
  Tell(guest, [id = guest.record.id, state](GuestEventSink* sink) {
    sink->OnRunState(id, state);
  });
}

void FakeDriver::PressButton(Guest& guest) {
  if (power_button_) Exit(guest.record.id, ExitKind::kExited, 0);
}

void FakeDriver::ResetMachine(Guest& guest) {
  Tell(guest, [id = guest.record.id](GuestEventSink* sink) {
    sink->OnReset(id, /*by_guest=*/false);
  });
}

void FakeDriver::Tell(const Guest& guest,
                      absl::AnyInvocable<void(GuestEventSink*)> what) {
  if (sink_ == nullptr || !guest.attached) return;
  loop_->Post([this, id = guest.record.id, pid = guest.state.process.pid,
               what = std::move(what)]() mutable {
    // Removed meanwhile, or launched anew: nobody hears of the old one.
    const auto found = guests_.find(id);
    if (found == guests_.end() || found->second.state.process.pid != pid ||
        !found->second.attached || sink_ == nullptr) {
      return;
    }
    what(sink_);
  });
}

}  // namespace innkeeper
