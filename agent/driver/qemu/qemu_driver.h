// Runs guests as QEMU processes of their own, each in its jail.
#ifndef INNKEEPER_AGENT_DRIVER_QEMU_QEMU_DRIVER_H_
#define INNKEEPER_AGENT_DRIVER_QEMU_QEMU_DRIVER_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/driver/guest_driver.h"
#include "agent/driver/qemu/launch_planner.h"
#include "agent/driver/qemu/qemu_guest.h"
#include "agent/driver/qemu/qemu_timings.h"
#include "agent/launch/spawner.h"
#include "base/completion.h"
#include "base/event_loop.h"

namespace innkeeper {

// Used on its event loop only, on which the spawner's completions run, too.
// What the pointers point to must outlive it.
class QemuDriver final : public GuestDriver {
 public:
  struct Parts {
    EventLoop* loop;
    Spawner* spawner;
    LaunchPlanner* planner;
    std::string guests_directory;  // Each guest's is beneath it, by its id.
    std::string boot_id;
    QemuTimings timings = QemuTimings();
  };

  explicit QemuDriver(Parts parts) : parts_(std::move(parts)) {}
  ~QemuDriver() override;

  void SetEventSink(GuestEventSink* sink) override { sink_ = sink; }
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
  // A launch on its way.
  struct Pending;
  using PendingPtr = std::shared_ptr<Pending>;

  void Look(const PendingPtr& pending, absl::StatusOr<PlannedLaunch> planned);
  void Spawn(const PendingPtr& pending, absl::StatusOr<PlannedLaunch> planned);
  void Handshake(const PendingPtr& pending, absl::StatusOr<Launched> launched);
  void LetRun(const PendingPtr& pending,
              const absl::StatusOr<std::string>& state);
  void Succeed(const PendingPtr& pending, RunState state);
  // As Fail, unless the process turns out to have ended, which says more.
  void FailUnlessExited(const PendingPtr& pending, absl::Status status);
  void Fail(const PendingPtr& pending, absl::Status status);
  QemuGuest::Handlers MakeHandlers(const std::string& id);
  void Command(absl::string_view guest, absl::string_view command,
               StatusCompletion done);
  std::string DirectoryOf(absl::string_view guest) const;

  const Parts parts_;
  GuestEventSink* sink_ = nullptr;
  LastLook look_;
  std::map<std::string, std::shared_ptr<QemuGuest>, std::less<>> guests_;
  // What Find() saw, for Adopt().
  std::map<std::string, GuestProcess, std::less<>> found_;
  // Launches whose process may be there already; the sink hears nothing of
  // them.
  std::map<std::string, PendingPtr, std::less<>> pending_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_DRIVER_QEMU_QEMU_DRIVER_H_
