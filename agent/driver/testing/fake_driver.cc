#include "agent/driver/testing/fake_driver.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "base/error.h"
#include "base/reason.h"

namespace innkeeper {

absl::Status FakeDriver::FaultOf(const std::string& verb) {
  const auto fault = faults_.find(verb);
  return fault == faults_.end() ? absl::OkStatus() : fault->second;
}

bool FakeDriver::HasProcess(absl::string_view guest) const {
  const auto found = guests_.find(guest);
  return found != guests_.end() && found->second.running;
}

void FakeDriver::Explain(const GuestRecord& guest,
                         Completion<LaunchExplanation> done) {
  LaunchExplanation explanation;
  explanation.argv = {"fake", guest.id};
  loop_->Post([explanation, done = std::move(done)]() mutable {
    done(std::move(explanation));
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
  const absl::Status fault = FaultOf("launch");
  if (!fault.ok()) {
    return loop_->Post(
        [fault, done = std::move(done)]() mutable { done(fault); });
  }
  ++launches_;
  Guest& entry = guests_[guest.id];
  entry = Guest();
  entry.record = guest;
  entry.state.process.pid = next_pid_++;
  entry.state.process.boot_id = "boot";
  entry.state.machine_type = "pc-q35-7.2";
  entry.state.run_state =
      guest.spec.start_paused ? RunState::kPaused : RunState::kRunning;
  loop_->Post([state = entry.state, done = std::move(done)]() mutable {
    done(std::move(state));
  });
}

void FakeDriver::Find(Completion<std::vector<FoundGuest>> done) {
  std::vector<FoundGuest> found;
  for (const auto& [unused, guest] : guests_) {
    FoundGuest one;
    one.record = guest.record;
    one.process = guest.state.process;
    one.running = guest.running;
    if (!guest.running) one.exit = guest.exit;
    found.push_back(std::move(one));
  }
  loop_->Post([found = std::move(found), done = std::move(done)]() mutable {
    done(std::move(found));
  });
}

void FakeDriver::Adopt(const GuestRecord& guest, bool let_run,
                       Completion<DriverGuest> done) {
  absl::StatusOr<DriverGuest> result =
      Error(absl::StatusCode::kNotFound, reason::kGuestExited, "gone").Build();
  const auto found = guests_.find(guest.id);
  if (found != guests_.end() && found->second.running) {
    if (let_run) found->second.state.run_state = RunState::kRunning;
    result = found->second.state;
  }
  loop_->Post([result = std::move(result), done = std::move(done)]() mutable {
    done(std::move(result));
  });
}

void FakeDriver::Pause(absl::string_view guest, StatusCompletion done) {
  absl::Status status = FaultOf("pause");
  if (status.ok())
    guests_.find(guest)->second.state.run_state = RunState::kPaused;
  loop_->Post([status, done = std::move(done)]() mutable { done(status); });
}

void FakeDriver::Resume(absl::string_view guest, StatusCompletion done) {
  absl::Status status = FaultOf("resume");
  if (status.ok()) {
    guests_.find(guest)->second.state.run_state = RunState::kRunning;
  }
  loop_->Post([status, done = std::move(done)]() mutable { done(status); });
}

void FakeDriver::PowerDown(absl::string_view guest, StatusCompletion done) {
  const absl::Status status = FaultOf("power_down");
  loop_->Post([status, done = std::move(done)]() mutable { done(status); });
  if (status.ok() && power_button_) Exit(guest, ExitKind::kExited, 0);
}

void FakeDriver::Reset(absl::string_view guest, StatusCompletion done) {
  const absl::Status status = FaultOf("reset");
  loop_->Post([this, id = std::string(guest), status,
               done = std::move(done)]() mutable {
    if (status.ok()) sink_->OnReset(id, false);
    done(status);
  });
}

void FakeDriver::Kill(absl::string_view guest, StatusCompletion done) {
  const absl::Status status = FaultOf("kill");
  loop_->Post([status, done = std::move(done)]() mutable { done(status); });
  if (status.ok()) Exit(guest, ExitKind::kSignaled, 9);
}

void FakeDriver::Remove(absl::string_view guest, StatusCompletion done) {
  const absl::Status status = FaultOf("remove");
  if (status.ok()) guests_.erase(std::string(guest));
  loop_->Post([status, done = std::move(done)]() mutable { done(status); });
}

absl::StatusOr<std::string> FakeDriver::ConsolePath(
    absl::string_view guest) const {
  return absl::StrCat("/nonexistent/", guest);
}

void FakeDriver::Exit(absl::string_view guest, ExitKind kind, int32_t value) {
  const auto found = guests_.find(guest);
  if (found == guests_.end() || !found->second.running) return;
  found->second.running = false;
  found->second.exit = {kind, value, absl::Now()};
  if (sink_ == nullptr) return;
  loop_->Post([this, id = std::string(guest), exit = found->second.exit] {
    sink_->OnExit(id, exit, "");
  });
}

void FakeDriver::SetRunState(absl::string_view guest, RunState state) {
  guests_.find(guest)->second.state.run_state = state;
  sink_->OnRunState(guest, state);
}

}  // namespace innkeeper
