// Guests that are to exist no more, and launches that are to leave nothing.
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/driver/guest_driver.h"
#include "agent/guest/guest_record.h"
#include "agent/guest/guest_state.h"
#include "agent/supervisor/guest_supervisor.h"
#include "base/failpoint.h"
#include "base/log.h"

namespace innkeeper {

// A launch that failed leaves nothing; a guest that was there before stays, and
// says why it does not run. So does one that was stopped on purpose.
bool GuestSupervisor::LeavesNothing(const Task& task) {
  return task.verb == "launch" && !task.forced;
}

void GuestSupervisor::FailLaunch(const TaskPtr& task,
                                 const absl::Status& status) {
  LogWarning("guest.launch_failed", {{"guest", task->guest},
                                     {"operation", task->operation.name},
                                     {"error", status.message()}});
  const GuestRecord* guest = parts_.book->Find(task->guest);
  if (!LeavesNothing(*task) || guest == nullptr) {
    return EndFailedLaunch(task, status);
  }
  // Of a launch that failed late there is what the guest was to keep.
  parts_.driver->Forget(
      guest->uid, [this, task, status](const absl::Status& forgotten) {
        if (!forgotten.ok()) {
          LogError("guest.forget",
                   {{"guest", task->guest}, {"error", forgotten.message()}});
        }
        EndFailedLaunch(task, status);
      });
}

void GuestSupervisor::EndFailedLaunch(const TaskPtr& task,
                                      const absl::Status& status) {
  GuestWrite write;
  write.operation = task->operation;
  write.outcome = status;
  write.remove = LeavesNothing(*task);
  const bool meant = !task->cancelled.ok();
  write.change = [text = std::string(status.message()),
                  meant](GuestRecord& record) {
    record.state = meant ? GuestState::kStopped : GuestState::kFailed;
    record.state_reason = text;
    record.process.reset();
  };
  const char* const stopped = write.remove ? "guest.deleted" : "guest.stopped";
  write.events.push_back({meant ? stopped : "guest.failed",
                          std::string(status.message()), task->operation.name,
                          task->caller});
  EndTask(task);
  const std::string id = task->guest;
  write.done = [this, id](absl::StatusOr<CommitResult>) {
    const auto stops = stops_.find(id);
    if (stops == stops_.end()) return;
    const std::vector<TaskPtr> waiting = std::move(stops->second);
    stops_.erase(stops);
    for (const TaskPtr& stop : waiting) {
      GuestWrite end;
      end.operation = stop->operation;
      end.outcome = absl::OkStatus();
      parts_.book->Write(id, std::move(end));
    }
  };
  parts_.book->Write(id, std::move(write));
}

void GuestSupervisor::Delete(const Permit& /*permit*/, std::string id,
                             GuestCaller caller,
                             Completion<OperationRecord> done) {
  parts_.loop->Post([this, id = std::move(id), caller = std::move(caller),
                     done = std::move(done)]() mutable {
    absl::StatusOr<const GuestRecord*> guest =
        FindFor(id, caller, GuestVerb::kDelete);
    if (!guest.ok()) return Refuse(id, caller, guest.status(), std::move(done));
    absl::StatusOr<TaskPtr> task = MakeTask(id, (*guest)->uid, (*guest)->owner,
                                            "delete", caller, /*claim=*/true);
    if (!task.ok()) return Refuse(id, caller, task.status(), std::move(done));
    parts_.book->Write(
        id, Accept(
                *task, caller, [this, task = *task] { BeginDelete(task); },
                std::move(done)));
  });
}

void GuestSupervisor::BeginDelete(const TaskPtr& task) {
  INNKEEPER_FAILPOINT("agent.delete.begin");
  parts_.driver->Remove(task->guest, [this, task](absl::Status status) {
    INNKEEPER_FAILPOINT("agent.delete.removed");
    const GuestRecord* guest = parts_.book->Find(task->guest);
    if (!status.ok() || guest == nullptr) return EndDelete(task, status);
    // Before the record goes: without it, nobody would do it again.
    parts_.driver->Forget(guest->uid, [this, task](absl::Status forgotten) {
      EndDelete(task, forgotten);
    });
  });
}

void GuestSupervisor::EndDelete(const TaskPtr& task,
                                const absl::Status& status) {
  INNKEEPER_FAILPOINT("agent.delete.forgotten");
  GuestWrite write;
  write.operation = task->operation;
  write.outcome = status;
  if (status.ok()) {
    write.remove = true;
    write.events.push_back(
        {"guest.deleted", "", task->operation.name, task->caller});
  }
  EndTask(task);
  parts_.book->Write(task->guest, std::move(write));
}

}  // namespace innkeeper
