// Guests that are only entries in a table, with faults on order.
#ifndef INNKEEPER_AGENT_DRIVER_TESTING_FAKE_DRIVER_H_
#define INNKEEPER_AGENT_DRIVER_TESTING_FAKE_DRIVER_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "agent/driver/guest_driver.h"
#include "base/completion.h"
#include "base/event_loop.h"

namespace innkeeper {

// Used on its event loop only. It stands for the host: a second supervisor
// given the same one finds the guests that the first one left.
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

  // What a guest does by itself.
  void Exit(absl::string_view guest, ExitKind kind, int32_t value);
  void SetRunState(absl::string_view guest, RunState state);

  bool HasProcess(absl::string_view guest) const;
  int launches() const { return launches_; }

  void SetEventSink(GuestEventSink* sink) override { sink_ = sink; }
  void Explain(const GuestRecord& guest,
               Completion<LaunchExplanation> done) override;
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
  absl::StatusOr<std::string> ConsolePath(
      absl::string_view guest) const override;

 private:
  struct Guest {
    GuestRecord record;
    DriverGuest state;
    bool running = true;
    GuestExit exit;
  };

  absl::Status FaultOf(const std::string& verb);
  void FinishLaunch(const GuestRecord& guest, Completion<DriverGuest> done);

  EventLoop* const loop_;
  GuestEventSink* sink_ = nullptr;
  std::map<std::string, Guest, std::less<>> guests_;
  std::map<std::string, absl::Status> faults_;
  bool hold_launches_ = false;
  bool power_button_ = true;
  std::vector<std::pair<GuestRecord, Completion<DriverGuest>>> held_;
  int launches_ = 0;
  int64_t next_pid_ = 1000;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_DRIVER_TESTING_FAKE_DRIVER_H_
