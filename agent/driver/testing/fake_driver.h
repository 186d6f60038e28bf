// Guests that are only entries in a table, with faults on order.
#ifndef INNKEEPER_AGENT_DRIVER_TESTING_FAKE_DRIVER_H_
#define INNKEEPER_AGENT_DRIVER_TESTING_FAKE_DRIVER_H_

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/driver/guest_driver.h"
#include "base/completion.h"
#include "base/event_loop.h"

namespace innkeeper {

// Used on its event loop only. It keeps what driver_conformance asks of a
// driver. It stands for the host: whoever calls SetEventSink() is a new agent,
// which finds the guests that the one before it left. The host has no KVM.
class FakeDriver final : public GuestDriver {
 public:
  explicit FakeDriver(EventLoop* loop) : loop_(loop) {}

  // The next calls of a verb ("launch", "pause", ...) answer `status`; OK ends
  // that.
  void FailNext(const std::string& verb, absl::Status status) {
    faults_[verb] = std::move(status);
  }
  // While held, launches get no answer; releasing them answers all.
  void HoldLaunches() { hold_launches_ = true; }
  void ReleaseLaunches();
  // The power button works at once, or is ignored.
  void IgnorePowerButton() { power_button_ = false; }

  // Where every guest's console is.
  void SetConsolePath(std::string path) { console_path_ = std::move(path); }

  // What a guest does by itself. It leaves word of its exit.
  void Exit(absl::string_view guest, ExitKind kind, int32_t value);
  void SetRunState(absl::string_view guest, RunState state);
  // Its monitor stops answering: commands are given up at once, and it is told.
  // Killing it works.
  void Hang(absl::string_view guest);
  void Unhang(absl::string_view guest);

  bool HasProcess(absl::string_view guest) const;
  // The guests that the host has something of.
  std::vector<std::string> guests() const;
  int launches() const { return launches_; }
  // The uids that were forgotten, oldest first.
  const std::vector<std::string>& forgotten() const { return forgotten_; }

  void SetEventSink(GuestEventSink* sink) override;
  void SetLastLook(LastLook look) override { look_ = std::move(look); }
  void Explain(const GuestRecord& guest,
               Completion<LaunchExplanation> done) override;
  void Review(const GuestRecord& guest,
              Completion<SecurityReport> done) override;
  void Launch(const GuestRecord& guest, Completion<DriverGuest> done) override;
  void Find(Completion<std::vector<FoundGuest>> done) override;
  void Adopt(const GuestRecord& guest, bool let_run,
             Completion<DriverGuest> done) override;
  void Pause(absl::string_view guest, StatusCompletion done) override;
  void Resume(absl::string_view guest, StatusCompletion done) override;
  void PowerDown(absl::string_view guest, StatusCompletion done) override;
  void Reset(absl::string_view guest, StatusCompletion done) override;
  void Kill(absl::string_view guest, StatusCompletion done) override;
  void Remove(absl::string_view guest, StatusCompletion done) override;
  void Forget(absl::string_view uid, StatusCompletion done) override;
  absl::StatusOr<std::string> ConsolePath(
      absl::string_view guest) const override;

 private:
  struct Guest {
    GuestRecord record;
    DriverGuest state;
    bool running = true;
    // Launched or adopted by the present agent, or found by it.
    bool attached = true;
    bool found = true;
    bool has_run = false;
    bool hung = false;
    std::optional<GuestExit> exit;  // Unless nobody left word.
  };

  absl::Status FaultOf(const std::string& verb);
  // The process that `verb` is for, or why there is none that answers.
  absl::StatusOr<Guest*> FindFor(const std::string& verb,
                                 absl::string_view guest);
  // Does `verb` by `act` and answers.
  void Command(const std::string& verb, absl::string_view guest,
               StatusCompletion done, void (FakeDriver::*act)(Guest&));
  void Halt(Guest& guest) { ChangeRunState(guest, RunState::kPaused); }
  void LetRun(Guest& guest) { ChangeRunState(guest, RunState::kRunning); }
  void PressButton(Guest& guest);
  void ResetMachine(Guest& guest);
  void ChangeRunState(Guest& guest, RunState state);
  void End(absl::string_view guest, const GuestExit& exit, bool leaves_word);
  // Tells the sink later, if the guest is the present agent's.
  void Tell(const Guest& guest, absl::AnyInvocable<void(GuestEventSink*)> what);
  void FinishLaunch(const GuestRecord& guest, Completion<DriverGuest> done);
  void MakeGuest(const GuestRecord& guest, Completion<DriverGuest> done);

  EventLoop* const loop_;
  GuestEventSink* sink_ = nullptr;
  LastLook look_;
  std::map<std::string, Guest, std::less<>> guests_;
  std::map<std::string, absl::Status> faults_;
  std::vector<std::string> forgotten_;
  bool hold_launches_ = false;
  bool power_button_ = true;
  std::string console_path_ = "/nonexistent";
  std::vector<std::pair<GuestRecord, Completion<DriverGuest>>> held_;
  int launches_ = 0;
  int64_t next_pid_ = 1000;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_DRIVER_TESTING_FAKE_DRIVER_H_
