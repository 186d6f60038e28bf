// Operations that somebody thinks better of.
#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "agent/guest/guest_record.h"
#include "agent/guest/guest_state.h"
#include "agent/supervisor/guest_supervisor.h"
#include "base/error.h"
#include "base/reason.h"

namespace innkeeper {
namespace {

absl::Status NotCancellable(absl::string_view operation,
                            absl::string_view why) {
  const std::string message =
      absl::StrCat(operation, " cannot be cancelled: ", why);
  return Error(absl::StatusCode::kFailedPrecondition,
               reason::kOperationNotCancellable, message)
      .With("operation", operation)
      .Precondition(reason::kOperationNotCancellable, operation, message);
}

// What an operation that was cancelled ends with.
absl::Status Cancelled(absl::string_view verb, absl::string_view guest,
                       absl::string_view caller, absl::string_view outcome) {
  return Error(absl::StatusCode::kCancelled, reason::kOperationCancelled,
               absl::StrCat("the ", verb, " of guest '", guest,
                            "' was cancelled by ", caller, "; ", outcome))
      .With("guest", guest)
      .With("caller", caller);
}

}  // namespace

void GuestSupervisor::Cancel(const Permit& permit, std::string operation,
                             StatusCompletion done) {
  parts_.loop->Post([this, operation = std::move(operation),
                     caller = permit.caller().principal.ToString(),
                     done = std::move(done)]() mutable {
    const TaskPtr task = FindTask(operation);
    if (task == nullptr) {
      return done(NotCancellable(operation, "it has ended, or is about to"));
    }
    done(CancelTask(task, caller));
  });
}

GuestSupervisor::TaskPtr GuestSupervisor::FindTask(
    absl::string_view operation) const {
  for (const auto& [unused, task] : tasks_) {
    if (task->operation.name == operation) return task;
  }
  // A forced stop, and one that was taken over from the last agent.
  for (const auto& [unused, stops] : stops_) {
    for (const TaskPtr& task : stops) {
      if (task->operation.name == operation) return task;
    }
  }
  return nullptr;
}

absl::Status GuestSupervisor::CancelTask(const TaskPtr& task,
                                         const std::string& caller) {
  const std::string& name = task->operation.name;
  if (task->killing || task->forced) {
    return NotCancellable(name, "the guest is being ended by force");
  }
  if (!task->cancelled.ok()) return absl::OkStatus();
  if (task->verb == "launch") {
    task->cancelled =
        Cancelled(task->verb, task->guest, caller, "nothing of it is left");
    AbortReview(task);
    return absl::OkStatus();
  }
  if (task->verb == "start") {
    task->cancelled =
        Cancelled(task->verb, task->guest, caller, "it is STOPPED");
    AbortReview(task);
    return absl::OkStatus();
  }
  if (task->verb != "stop") {
    return NotCancellable(name, absl::StrCat("a ", task->verb,
                                             " is done in one step; wait for "
                                             "it to end"));
  }
  task->cancelled = Cancelled(task->verb, task->guest, caller,
                              "the guest keeps running, unless it heeds the "
                              "power button yet");
  std::vector<TaskPtr>& stops = stops_[task->guest];
  const auto waiting = std::find(stops.begin(), stops.end(), task);
  // Else its request is being written: BeginStop() sees that it was cancelled.
  if (waiting == stops.end()) return absl::OkStatus();
  stops.erase(waiting);
  CancelStop(task);
  return absl::OkStatus();
}

void GuestSupervisor::CancelStop(const TaskPtr& task) {
  GuestWrite write;
  write.change = [](GuestRecord& record) {
    // The guest may have ended meanwhile; that stays true.
    if (record.state == GuestState::kStopping) {
      record.state = GuestState::kRunning;
    }
  };
  write.events.push_back({"guest.stop_cancelled",
                          std::string(task->cancelled.message()),
                          task->operation.name, task->caller});
  write.operation = task->operation;
  write.outcome = task->cancelled;
  EndTask(task);
  parts_.book->Write(task->guest, std::move(write));
}

}  // namespace innkeeper
