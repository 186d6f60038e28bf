// Taking over what the last agent left.
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "agent/driver/guest_driver.h"
#include "agent/guest/guest_record.h"
#include "agent/guest/guest_state.h"
#include "agent/supervisor/guest_supervisor.h"
#include "base/error.h"
#include "base/log.h"
#include "base/reason.h"

namespace innkeeper {
namespace {

// How long a guest that does not answer may keep the list from being called
// whole.
constexpr absl::Duration kMaxWait = absl::Milliseconds(500);
// Those that answer do so one after the other: once none has for so long, those
// that are left are silent.
constexpr absl::Duration kQuiet = absl::Milliseconds(40);

absl::Status Interrupted(const std::string& verb) {
  return Error(absl::StatusCode::kAborted, reason::kOperationInterrupted,
               absl::StrCat("the agent was restarted during ", verb,
                            "; look at the guest and ask again"))
      .With("verb", verb);
}

}  // namespace

struct GuestSupervisor::Recovery {
  StatusCompletion done;
  int pending = 0;
  int arrived = 0;
  bool answered = false;
  // Operations that were cut off, by guest; in the order of their beginning.
  std::map<std::string, std::vector<OperationRecord>> unfinished;

  void Answer(absl::Status status) {
    if (answered) return;
    answered = true;
    done(std::move(status));
  }
  void Arrive() {
    ++arrived;
    if (--pending == 0) Answer(absl::OkStatus());
  }
};

void GuestSupervisor::AwaitQuiet(const std::shared_ptr<Recovery>& recovery) {
  parts_.loop->After(kQuiet, [this, recovery, before = recovery->arrived] {
    if (recovery->answered) return;
    const bool began = recovery->arrived > 1;
    if (began && recovery->arrived == before) {
      return recovery->Answer(absl::OkStatus());
    }
    AwaitQuiet(recovery);
  });
}

void GuestSupervisor::Recover(StatusCompletion done) {
  auto recovery = std::make_shared<Recovery>();
  recovery->done = std::move(done);
  absl::StatusOr<AgentStore::Guests> guests = parts_.store->LoadGuests();
  if (!guests.ok()) return recovery->Answer(guests.status());
  absl::StatusOr<std::vector<OperationRecord>> unfinished =
      parts_.store->ListUnfinishedOperations();
  if (!unfinished.ok()) return recovery->Answer(unfinished.status());
  for (OperationRecord& operation : *unfinished) {
    // Who waits for it is told when it has ended, as for a new one.
    parts_.book->tracker()->Publish(operation);
    recovery->unfinished[operation.guest].push_back(std::move(operation));
  }
  parts_.loop->Post([this, recovery, guests = *std::move(guests)]() mutable {
    for (GuestRecord& record : guests.records) {
      parts_.book->Load(std::move(record));
    }
    for (const std::string& id : guests.damaged) {
      LogError("guest.record_damaged", {{"guest", id}});
    }
    parts_.driver->Find(
        [this, recovery](absl::StatusOr<std::vector<FoundGuest>> found) {
          RecoverFound(recovery, std::move(found));
        });
  });
}

void GuestSupervisor::RecoverFound(
    std::shared_ptr<Recovery> recovery,
    absl::StatusOr<std::vector<FoundGuest>> found) {
  if (!found.ok()) return recovery->Answer(found.status());
  std::map<std::string, const FoundGuest*> by_id;
  for (const FoundGuest& guest : *found) by_id[guest.record.id] = &guest;
  // One more than there are guests, so that it cannot end before all began.
  recovery->pending = 1;
  for (const std::string& id : parts_.book->Ids()) {
    const auto guest = by_id.find(id);
    RecoverGuest(recovery, id, guest == by_id.end() ? nullptr : guest->second);
  }
  // What is left is about guests that are gone: their deletion had happened.
  for (const auto& [id, operations] : recovery->unfinished) {
    if (parts_.book->Has(id)) continue;
    for (const OperationRecord& operation : operations) {
      const std::string verb =
          parts_.encoder->ParseMetadata(operation.metadata).verb;
      parts_.book->EndOperation(
          operation, verb == "delete" ? absl::OkStatus() : Interrupted(verb));
    }
  }
  for (const FoundGuest& guest : *found) {
    if (!parts_.book->Has(guest.record.id)) RebuildGuest(recovery, guest);
  }
  parts_.loop->After(kMaxWait,
                     [recovery] { recovery->Answer(absl::OkStatus()); });
  recovery->Arrive();
  AwaitQuiet(recovery);
}

void GuestSupervisor::RecoverGuest(const std::shared_ptr<Recovery>& recovery,
                                   const std::string& id,
                                   const FoundGuest* found) {
  const GuestRecord& record = *parts_.book->Find(id);
  // Only the last one matters: those before it were superseded.
  OperationRecord operation;
  std::string verb;
  std::vector<OperationRecord>& operations = recovery->unfinished[id];
  for (size_t i = 0; i < operations.size(); ++i) {
    const std::string this_verb =
        parts_.encoder->ParseMetadata(operations[i].metadata).verb;
    if (operations[i].name == record.last_operation ||
        (i + 1 == operations.size() && operation.name.empty())) {
      operation = operations[i];
      verb = this_verb;
      continue;
    }
    GuestWrite write;
    write.operation = operations[i];
    write.outcome = Interrupted(this_verb);
    parts_.book->Write(id, std::move(write));
  }

  if (found != nullptr && found->running) {
    ++recovery->pending;
    return AdoptGuest(recovery, id, std::move(operation), verb);
  }
  if (verb == "delete") {
    // Done again from the start: removing twice does no harm.
    auto task = std::make_shared<Task>();
    task->guest = id;
    task->verb = verb;
    task->caller = operation.caller;
    task->operation = operation;
    absl::StatusOr<JobTable::Job> job = jobs_.Claim(id, verb);
    if (job.ok()) task->job = *std::move(job);
    tasks_[id] = task;
    return BeginDelete(task);
  }
  if (verb == "launch" || verb == "start") {
    // Cut off before the process was there. What there may be of it goes, and
    // the launch is done again: its caller was promised the outcome.
    auto task = std::make_shared<Task>();
    task->guest = id;
    task->verb = verb;
    task->caller = operation.caller;
    task->operation = operation;
    absl::StatusOr<JobTable::Job> job = jobs_.Claim(id, verb);
    if (job.ok()) task->job = *std::move(job);
    tasks_[id] = task;
    parts_.book->SetOperation(id, operation.name);
    ++recovery->pending;
    parts_.driver->Remove(id, [this, recovery, task](absl::Status status) {
      recovery->Arrive();
      if (!status.ok()) return FailLaunch(task, status);
      BeginLaunch(task);
    });
    return;
  }
  if (!MayHaveProcess(record.state)) {
    if (!operation.name.empty()) {
      GuestWrite write;
      write.operation = operation;
      write.outcome = verb == "stop" ? absl::OkStatus() : Interrupted(verb);
      parts_.book->Write(id, std::move(write));
    }
    return;
  }
  // It ended while no agent watched.
  GuestExit exit;
  exit.time = parts_.clock->Now();
  std::string error_text;
  if (found != nullptr && found->exit.has_value()) {
    exit = *found->exit;
    error_text = found->error_text;
  }
  if (!operation.name.empty()) {
    GuestWrite write;
    write.operation = operation;
    write.outcome = verb == "stop" ? absl::OkStatus() : Interrupted(verb);
    parts_.book->Write(id, std::move(write));
  }
  ++recovery->pending;
  WriteExit(id, exit, error_text, [recovery] { recovery->Arrive(); });
}

void GuestSupervisor::AdoptGuest(const std::shared_ptr<Recovery>& recovery,
                                 const std::string& id,
                                 OperationRecord operation,
                                 const std::string& verb) {
  const GuestRecord& record = *parts_.book->Find(id);
  const bool launching = record.state == GuestState::kStarting;
  const bool let_run = launching && !record.spec.start_paused;
  parts_.driver->Adopt(
      record, let_run,
      [this, recovery, id, launching, operation = std::move(operation),
       verb](absl::StatusOr<DriverGuest> adopted) {
        if (!adopted.ok()) {
          if (!operation.name.empty()) {
            GuestWrite write;
            write.operation = operation;
            write.outcome =
                verb == "stop" ? absl::OkStatus() : Interrupted(verb);
            parts_.book->Write(id, std::move(write));
          }
          GuestExit exit;
          exit.time = parts_.clock->Now();
          return WriteExit(id, exit, std::string(adopted.status().message()),
                           [recovery] { recovery->Arrive(); });
        }
        const bool stopping = verb == "stop";
        GuestWrite write;
        write.change = [guest = *adopted, stopping](GuestRecord& next) {
          next.process = guest.process;
          if (!guest.machine_type.empty()) {
            next.resolved_machine_type = guest.machine_type;
            next.accel_used = guest.accel;
            next.accel_reason = guest.accel_reason;
          }
          if (!guest.responsive && next.state != GuestState::kStarting) return;
          next.state = guest.run_state == RunState::kRunning
                           ? GuestState::kRunning
                           : GuestState::kPaused;
          if (stopping) next.state = GuestState::kStopping;
        };
        write.events.push_back({launching ? "guest.started" : "guest.adopted",
                                absl::StrCat("process ", adopted->process.pid),
                                launching ? operation.name : "",
                                operation.caller});
        if (!operation.name.empty() && !stopping) {
          write.operation = operation;
          write.outcome = verb == "launch" || verb == "start"
                              ? absl::OkStatus()
                              : Interrupted(verb);
        }
        write.done = [this, recovery, id, stopping,
                      operation](absl::StatusOr<CommitResult>) {
          recovery->Arrive();
          if (!stopping) return;
          auto task = std::make_shared<Task>();
          task->guest = id;
          task->verb = "stop";
          task->caller = operation.caller;
          task->operation = operation;
          StopOptions options;
          options.force =
              parts_.encoder->ParseMetadata(operation.metadata).step == "force";
          BeginStop(task, options);
        };
        parts_.book->Write(id, std::move(write));
        if (!adopted->responsive) parts_.book->SetUnresponsive(id, true);
      });
}

void GuestSupervisor::RebuildGuest(const std::shared_ptr<Recovery>& recovery,
                                   const FoundGuest& found) {
  GuestRecord record = found.record;
  const std::string id = record.id;
  if (!found.running) {
    LogInfo("guest.leftover", {{"guest", id}});
    ++recovery->pending;
    parts_.driver->Remove(id, [recovery](absl::Status) { recovery->Arrive(); });
    return;
  }
  LogWarning("guest.rebuilt", {{"guest", id}, {"pid", found.process.pid}});
  // Its manifest is as old as its launch; adopting finds out the rest.
  record.state = GuestState::kStarting;
  record.process = found.process;
  record.start_time = parts_.clock->Now();
  ++recovery->pending;
  GuestWrite write;
  write.events.push_back({"guest.rebuilt", "from its manifest", "", ""});
  write.done = [this, recovery, id](absl::StatusOr<CommitResult> result) {
    if (!result.ok()) return recovery->Arrive();
    AdoptGuest(recovery, id, OperationRecord(), "");
  };
  parts_.book->Add(std::move(record), std::move(write));
}

}  // namespace innkeeper
