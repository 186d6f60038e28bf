// Owns this host's guests: carries out what is asked of them, follows what they
// do by themselves, and takes them over again after a restart.
#ifndef INNKEEPER_AGENT_SUPERVISOR_GUEST_SUPERVISOR_H_
#define INNKEEPER_AGENT_SUPERVISOR_GUEST_SUPERVISOR_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/driver/guest_driver.h"
#include "agent/driver/guest_event_sink.h"
#include "agent/guest/guest_record.h"
#include "agent/guest/guest_state.h"
#include "agent/guest/job_table.h"
#include "agent/plugin/launch_review.h"
#include "agent/security/security_check.h"
#include "agent/store/agent_store.h"
#include "agent/supervisor/explained_launch.h"
#include "agent/supervisor/guest_book.h"
#include "agent/supervisor/guest_caller.h"
#include "agent/supervisor/operation_encoder.h"
#include "auth/permit.h"
#include "base/clock.h"
#include "base/completion.h"
#include "base/event_loop.h"
#include "base/executor.h"

namespace innkeeper {

// How a guest is to be stopped.
struct StopOptions {
  bool force = false;
  absl::Duration grace = absl::Seconds(60);
};

// The methods of the API may be called from any thread and answer on the event
// loop. Each takes the proof that the gate allowed the call. What the
// pointers point to must outlive it; it is destroyed on the loop's thread or
// after the loop has ended.
class GuestSupervisor : public GuestEventSink {
 public:
  struct Parts {
    EventLoop* loop;
    Executor* executor;
    AgentStore* store;
    GuestDriver* driver;
    GuestBook* book;
    const OperationEncoder* encoder;
    const Clock* clock;
    std::string boot_id;
    // What all guests together may have; launches beyond it are refused.
    int64_t capacity_memory_bytes;
    int64_t capacity_vcpus;
    size_t max_guests;
    // Asks the plugins. Null: there are none.
    LaunchReview* review = nullptr;
  };

  explicit GuestSupervisor(const Parts& parts);

  // Takes over what the last agent left: running guests are adopted, operations
  // that were cut off are ended or done again, lost records are rebuilt.
  // Answers once the list is whole: every guest is known and each that answers
  // was asked. Guests that do not answer are waited for until the others have
  // been silent for 40 ms, and no longer than 500 ms.
  void Recover(StatusCompletion done);

  // Launches `guest` (id, uid, owner and spec; the spec is valid). Answers once
  // the request is durable, with its operation. ALREADY_EXISTS (GUEST_EXISTS),
  // RESOURCE_EXHAUSTED (CAPACITY_EXHAUSTED, TOO_MANY_GUESTS), INVALID_ARGUMENT
  // (REQUEST_ID_REUSED), what ReviewOutcome says.
  void Launch(const Permit& permit, GuestRecord guest, GuestCaller caller,
              Completion<OperationRecord> done);

  // Each answers once the request is durable. NOT_FOUND, FAILED_PRECONDITION as
  // agent/guest/guest_state says, ABORTED (GUEST_BUSY, ETAG_MISMATCH); a start
  // also what ReviewOutcome says.
  void StartGuest(const Permit& permit, std::string id, GuestCaller caller,
                  Completion<OperationRecord> done);
  void Stop(const Permit& permit, std::string id, StopOptions options,
            GuestCaller caller, Completion<OperationRecord> done);
  void Reboot(const Permit& permit, std::string id, GuestCaller caller,
              Completion<OperationRecord> done);
  void Delete(const Permit& permit, std::string id, GuestCaller caller,
              Completion<OperationRecord> done);

  // Each answers once it is done.
  void Pause(const Permit& permit, std::string id, GuestCaller caller,
             Completion<GuestRecord> done);
  void Resume(const Permit& permit, std::string id, GuestCaller caller,
              Completion<GuestRecord> done);

  // Asks what `operation` carries out to stop, and answers once it was asked;
  // how it ends is in the operation, which is CANCELLED (OPERATION_CANCELLED)
  // if that was in time. A launch leaves nothing and a start the guest STOPPED,
  // as soon as the step that it has begun is over; a stop within its grace
  // period leaves the guest RUNNING, which may still heed its power button.
  // Asking twice is asking once. FAILED_PRECONDITION
  // (OPERATION_NOT_CANCELLABLE) for everything else: what has ended, a stop
  // that kills, a reboot, a delete.
  void Cancel(const Permit& permit, std::string operation,
              StatusCompletion done);

  // What Launch would do with `guest`. Always OK: whatever stands in the way is
  // in the answer.
  void Explain(const Permit& permit, GuestRecord guest,
               Completion<ExplainedLaunch> done);

  // What confines the guest, beside what was asked for; also while a verb is
  // in progress. NOT_FOUND (GUEST_NOT_FOUND), FAILED_PRECONDITION
  // (GUEST_NOT_RUNNING).
  void ReviewSecurity(const Permit& permit, std::string id,
                      Completion<SecurityReport> done);

  // GuestEventSink, called by the driver on the loop.
  void OnRunState(absl::string_view guest, RunState state) override;
  void OnReset(absl::string_view guest, bool by_guest) override;
  void OnExit(absl::string_view guest, const GuestExit& exit,
              const std::string& error_text) override;
  void OnResponsive(absl::string_view guest, bool responsive) override;

 private:
  // One verb in progress on one guest. It holds the guest's job, but for a
  // forced stop.
  struct Task {
    std::string guest;
    std::string verb;
    std::string caller;
    OperationRecord operation;
    JobTable::Job job;
    // Not OK: by whom it was told to give up, a client or a forced stop.
    absl::Status cancelled;
    bool forced = false;   // A forced stop took the guest away.
    bool killing = false;  // A stop for which the process is being killed.
    EventLoop::TimerId timer = 0;
    // The caller's, for a launch; absent after a restart of the agent.
    std::optional<Permit> permit;
    // Gives up what plugins are being asked; may be null.
    LaunchPlugin::Abort abort_review;
  };
  using TaskPtr = std::shared_ptr<Task>;

  // Where a recovery stands.
  struct Recovery;
  struct Explaining;

  absl::Status CheckNew(const GuestRecord& guest) const;
  absl::StatusOr<const GuestRecord*> FindFor(const std::string& id,
                                             const GuestCaller& caller,
                                             GuestVerb verb) const;
  // Claims the guest and makes the task and its operation.
  absl::StatusOr<TaskPtr> MakeTask(const std::string& id,
                                   const std::string& uid,
                                   const std::string& owner,
                                   absl::string_view verb,
                                   const GuestCaller& caller, bool claim);
  // The write that makes `task`'s request durable; `begin` runs after it.
  GuestWrite Accept(const TaskPtr& task, const GuestCaller& caller,
                    absl::AnyInvocable<void()> begin,
                    Completion<OperationRecord> done);
  // Answers a request that is refused: with the operation of the same request
  // if it was taken before, else with `refusal`.
  void Refuse(const std::string& id, const GuestCaller& caller,
              absl::Status refusal, Completion<OperationRecord> done);

  bool MayAsk(PluginStage stage, absl::string_view owner) const;
  // Once plugins have admitted it, and changed what `changes` says.
  void LaunchNow(const Permit& permit, GuestRecord guest,
                 std::vector<std::string> changes, const GuestCaller& caller,
                 Completion<OperationRecord> done);
  void StartNow(const std::string& id, const GuestCaller& caller,
                Completion<OperationRecord> done);
  void BeginLaunch(const TaskPtr& task);
  void Prepare(const TaskPtr& task, const LaunchExplanation& plan);
  void LaunchGuest(const TaskPtr& task);
  void TakeLastLook(const GuestRecord& guest, const LaunchExplanation& plan,
                    StatusCompletion done);
  static void AbortReview(const TaskPtr& task);
  void ExplainStage(const std::shared_ptr<Explaining>& explaining,
                    PluginStage stage);
  void ExplainPlan(const std::shared_ptr<Explaining>& explaining,
                   PluginStage after);
  void EndLaunch(const TaskPtr& task, absl::StatusOr<DriverGuest> launched);
  void FailLaunch(const TaskPtr& task, const absl::Status& status);
  void EndFailedLaunch(const TaskPtr& task, const absl::Status& status);
  static bool LeavesNothing(const Task& task);
  void StopNow(const std::string& id, StopOptions options,
               const GuestCaller& caller, Completion<OperationRecord> done);
  void BeginStop(const TaskPtr& task, const StopOptions& options);
  void KillFor(const TaskPtr& task);
  void BeginReboot(const TaskPtr& task);
  void BeginDelete(const TaskPtr& task);
  void EndDelete(const TaskPtr& task, const absl::Status& status);
  TaskPtr FindTask(absl::string_view operation) const;
  absl::Status CancelTask(const TaskPtr& task, const std::string& caller);
  void CancelStop(const TaskPtr& task);
  void SetRunState(const std::string& id, GuestVerb verb,
                   const GuestCaller& caller, Completion<GuestRecord> done);
  // Writes how the guest ended and ends those who waited for it.
  void WriteExit(const std::string& id, const GuestExit& exit,
                 const std::string& error_text,
                 absl::AnyInvocable<void()> then);
  void EndTask(const TaskPtr& task);

  void RecoverFound(std::shared_ptr<Recovery> recovery,
                    absl::StatusOr<std::vector<FoundGuest>> found);
  void AwaitQuiet(const std::shared_ptr<Recovery>& recovery);
  void RecoverGuest(const std::shared_ptr<Recovery>& recovery,
                    const std::string& id, const FoundGuest* found);
  void AdoptGuest(const std::shared_ptr<Recovery>& recovery,
                  const std::string& id, OperationRecord operation,
                  const std::string& verb);
  void RebuildGuest(const std::shared_ptr<Recovery>& recovery,
                    const FoundGuest& found);

  const Parts parts_;
  JobTable jobs_;
  std::map<std::string, TaskPtr, std::less<>> tasks_;  // Holding a job.
  // Those that wait for a guest's exit, oldest first.
  std::map<std::string, std::vector<TaskPtr>, std::less<>> stops_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_SUPERVISOR_GUEST_SUPERVISOR_H_
