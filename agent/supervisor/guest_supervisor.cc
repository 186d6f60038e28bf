#include "agent/supervisor/guest_supervisor.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/driver/guest_driver.h"
#include "agent/guest/guest_name.h"
#include "agent/guest/guest_record.h"
#include "agent/guest/guest_state.h"
#include "agent/store/guest_record_codec.h"
#include "agent/store/store_types.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "base/uuid.h"

namespace innkeeper {
namespace {

absl::Status NoSuchGuest(absl::string_view id) {
  return Error(absl::StatusCode::kNotFound, reason::kGuestNotFound,
               absl::StrCat("guest '", id, "' does not exist"))
      .With("guest", id);
}

// What a job is told that a forced stop takes its guest away from.
absl::Status Superseded(absl::string_view id) {
  return Error(absl::StatusCode::kCancelled, reason::kOperationCancelled,
               absl::StrCat("guest '", id, "' was stopped by force meanwhile"))
      .With("guest", id);
}

}  // namespace

GuestSupervisor::GuestSupervisor(const Parts& parts) : parts_(parts) {
  parts_.driver->SetEventSink(this);
  if (parts_.review == nullptr) return;
  parts_.driver->SetLastLook([this](const GuestRecord& guest,
                                    const LaunchExplanation& plan,
                                    StatusCompletion done) {
    TakeLastLook(guest, plan, std::move(done));
  });
}

absl::Status GuestSupervisor::CheckNew(const GuestRecord& guest) const {
  if (parts_.book->Has(guest.id)) {
    return Error(absl::StatusCode::kAlreadyExists, reason::kGuestExists,
                 absl::StrCat("the guest id '", guest.id,
                              "' is in use; choose another"))
        .With("guest", guest.id);
  }
  if (parts_.book->size() >= parts_.max_guests) {
    return Error(absl::StatusCode::kResourceExhausted, reason::kTooManyGuests,
                 absl::StrCat("the host has ", parts_.max_guests,
                              " guests, which is all it may have; delete some "
                              "or launch elsewhere"))
        .With("max_guests", absl::StrCat(parts_.max_guests));
  }
  const int64_t free_memory =
      parts_.capacity_memory_bytes - parts_.book->AllocatedMemoryBytes();
  const int64_t free_vcpus =
      parts_.capacity_vcpus - parts_.book->AllocatedVcpus();
  if (guest.spec.memory_bytes > free_memory ||
      guest.spec.vcpu_count > free_vcpus) {
    return Error(absl::StatusCode::kResourceExhausted,
                 reason::kCapacityExhausted,
                 absl::StrCat("the host has no room: asked for ",
                              guest.spec.memory_bytes >> 20, " MiB and ",
                              guest.spec.vcpu_count, " vCPUs, free are ",
                              free_memory >> 20, " MiB and ", free_vcpus,
                              " vCPUs; delete guests or launch elsewhere"))
        .With("free_memory_bytes", absl::StrCat(free_memory))
        .With("free_vcpus", absl::StrCat(free_vcpus));
  }
  return absl::OkStatus();
}

absl::StatusOr<const GuestRecord*> GuestSupervisor::FindFor(
    const std::string& id, const GuestCaller& caller, GuestVerb verb) const {
  const GuestRecord* guest = parts_.book->Find(id);
  if (guest == nullptr) return NoSuchGuest(id);
  if (!caller.etag.empty() && caller.etag != guest->etag) {
    return Error(absl::StatusCode::kAborted, reason::kEtagMismatch,
                 absl::StrCat("guest '", id,
                              "' has changed since its etag was read; read it "
                              "again"))
        .With("guest", id)
        .With("etag", guest->etag)
        .Build();
  }
  const std::optional<std::string> busy = jobs_.VerbOf(id);
  if (busy.has_value() && verb != GuestVerb::kForceStop) {
    return Error(absl::StatusCode::kAborted, reason::kGuestBusy,
                 absl::StrCat("guest '", id, "' is busy: ", *busy,
                              "; wait for it, or stop the guest by force"))
        .With("guest", id)
        .With("verb", *busy)
        .Build();
  }
  RETURN_IF_ERROR(CheckVerb(id, guest->state, verb));
  return guest;
}

absl::StatusOr<GuestSupervisor::TaskPtr> GuestSupervisor::MakeTask(
    const std::string& id, const std::string& uid, const std::string& owner,
    absl::string_view verb, const GuestCaller& caller, bool claim) {
  auto task = std::make_shared<Task>();
  if (claim) {
    ASSIGN_OR_RETURN(task->job, jobs_.Claim(id, verb));
  }
  task->guest = id;
  task->verb = std::string(verb);
  task->caller = caller.principal;
  OperationRecord& operation = task->operation;
  operation.name = caller.operation.empty()
                       ? absl::StrCat("operations/", MakeUuid())
                       : caller.operation;
  operation.method = caller.method;
  operation.caller = caller.principal;
  operation.guest = id;
  operation.owner = owner;
  operation.create_time = parts_.clock->Now();
  operation.update_time = operation.create_time;
  OperationFacts facts;
  facts.verb = task->verb;
  facts.guest = ToGuestName(id);
  facts.guest_uid = uid;
  facts.caller = caller.principal;
  facts.step = "accepted";
  facts.create_time = operation.create_time;
  operation.metadata = parts_.encoder->Metadata(facts);
  return task;
}

GuestWrite GuestSupervisor::Accept(const TaskPtr& task,
                                   const GuestCaller& caller,
                                   absl::AnyInvocable<void()> begin,
                                   Completion<OperationRecord> done) {
  GuestWrite write;
  write.keep_trying = false;
  write.operation = task->operation;
  if (!caller.request_id.empty()) {
    LedgerEntry entry;
    entry.caller = caller.principal;
    entry.method = caller.method;
    entry.request_id = caller.request_id;
    entry.body_sha256 = caller.body_sha256;
    entry.operation = task->operation.name;
    entry.create_time = task->operation.create_time;
    write.ledger = std::move(entry);
  }
  if (task->job.valid()) {
    tasks_[task->guest] = task;
    parts_.book->SetOperation(task->guest, task->operation.name);
  }
  write.done = [this, task, begin = std::move(begin), done = std::move(done)](
                   absl::StatusOr<CommitResult> result) mutable {
    if (!result.ok()) {
      EndTask(task);
      done(result.status());
      return;
    }
    if (result->earlier.has_value()) {
      EndTask(task);
      const std::string name = result->earlier->operation;
      auto answer =
          std::make_shared<Completion<OperationRecord>>(std::move(done));
      const absl::Status submitted =
          parts_.executor->Submit([this, name, answer] {
            (*answer)(parts_.book->tracker()->Get(name));
          });
      if (!submitted.ok()) (*answer)(submitted);
      return;
    }
    done(task->operation);
    INNKEEPER_FAILPOINT("agent.accepted");
    begin();
  };
  return write;
}

void GuestSupervisor::Refuse(const std::string& id, const GuestCaller& caller,
                             absl::Status refusal,
                             Completion<OperationRecord> done) {
  if (caller.request_id.empty()) {
    done(std::move(refusal));
    return;
  }
  // The same request may be the very reason for the refusal: its first copy
  // holds the job or made the guest. Its entry is found once its write is done.
  auto answer = std::make_shared<Completion<OperationRecord>>(std::move(done));
  parts_.book->WhenIdle(id, [this, caller, refusal = std::move(refusal),
                             answer]() mutable {
    const absl::Status submitted =
        parts_.executor->Submit([this, caller, refusal, answer] {
          absl::StatusOr<std::optional<LedgerEntry>> entry =
              parts_.store->FindRequest(caller.principal, caller.method,
                                        caller.request_id);
          if (!entry.ok() || !entry->has_value()) {
            (*answer)(refusal);
          } else if ((*entry)->body_sha256 != caller.body_sha256) {
            (*answer)(Error(absl::StatusCode::kInvalidArgument,
                            reason::kRequestIdReused,
                            "the request_id was used for another request; make "
                            "a new one")
                          .With("request_id", caller.request_id)
                          .Build());
          } else {
            (*answer)(parts_.book->tracker()->Get((*entry)->operation));
          }
        });
    if (!submitted.ok()) (*answer)(submitted);
  });
}

void GuestSupervisor::EndTask(const TaskPtr& task) {
  parts_.loop->Cancel(task->timer);
  if (!task->job.valid()) return;
  const auto found = tasks_.find(task->guest);
  if (found != tasks_.end() && found->second == task) tasks_.erase(found);
  parts_.book->SetOperation(task->guest, "");
  task->job.Finish();
}

void GuestSupervisor::LaunchNow(const Permit& permit, GuestRecord guest,
                                std::vector<std::string> changes,
                                const GuestCaller& caller,
                                Completion<OperationRecord> done) {
  INNKEEPER_FAILPOINT("agent.launch.admitted");
  const std::string id = guest.id;
  const absl::Status allowed =
      caller.refusal.ok() ? CheckNew(guest) : caller.refusal;
  if (!allowed.ok()) return Refuse(id, caller, allowed, std::move(done));
  absl::StatusOr<TaskPtr> task =
      MakeTask(id, guest.uid, guest.owner, "launch", caller, /*claim=*/true);
  if (!task.ok()) return Refuse(id, caller, task.status(), std::move(done));
  (*task)->permit = permit;
  guest.state = GuestState::kStarting;
  guest.requested_by = caller.principal;
  guest.spec_digest = SpecDigest(guest.spec);
  guest.last_operation = (*task)->operation.name;
  GuestWrite write = Accept(
      *task, caller, [this, task = *task] { BeginLaunch(task); },
      std::move(done));
  write.events.push_back(
      {"guest.launched", "", (*task)->operation.name, caller.principal});
  if (!changes.empty()) {
    write.events.push_back({"guest.patched", absl::StrJoin(changes, "; "),
                            (*task)->operation.name, caller.principal});
  }
  parts_.book->Add(std::move(guest), std::move(write));
  parts_.book->SetOperation(id, (*task)->operation.name);
}

void GuestSupervisor::EndLaunch(const TaskPtr& task,
                                absl::StatusOr<DriverGuest> launched) {
  INNKEEPER_FAILPOINT("agent.launch.launched");
  if (!task->cancelled.ok()) {
    // A forced stop waits for an exit that no longer comes by itself.
    parts_.driver->Remove(task->guest, [this, task](absl::Status) {
      FailLaunch(task, task->cancelled);
    });
    return;
  }
  if (!launched.ok()) return FailLaunch(task, launched.status());
  GuestWrite write;
  write.change = [guest = *launched,
                  now = parts_.clock->Now()](GuestRecord& record) {
    record.state = guest.run_state == RunState::kRunning ? GuestState::kRunning
                                                         : GuestState::kPaused;
    record.state_reason.clear();
    record.process = guest.process;
    record.start_time = now;
    record.resolved_machine_type = guest.machine_type;
    record.accel_used = guest.accel;
    record.accel_reason = guest.accel_reason;
  };
  write.events.push_back({"guest.started",
                          absl::StrCat("process ", launched->process.pid),
                          task->operation.name, task->caller});
  write.operation = task->operation;
  write.outcome = absl::OkStatus();
  EndTask(task);
  parts_.book->Write(task->guest, std::move(write));
}

void GuestSupervisor::Stop(const Permit& /*permit*/, std::string id,
                           StopOptions options, GuestCaller caller,
                           Completion<OperationRecord> done) {
  parts_.loop->Post([this, id = std::move(id), options,
                     caller = std::move(caller),
                     done = std::move(done)]() mutable {
    StopNow(id, options, caller, std::move(done));
  });
}

void GuestSupervisor::StopNow(const std::string& id, StopOptions options,
                              const GuestCaller& caller,
                              Completion<OperationRecord> done) {
  absl::StatusOr<const GuestRecord*> guest = FindFor(
      id, caller, options.force ? GuestVerb::kForceStop : GuestVerb::kStop);
  if (!guest.ok()) return Refuse(id, caller, guest.status(), std::move(done));
  absl::StatusOr<TaskPtr> task =
      MakeTask(id, (*guest)->uid, (*guest)->owner, "stop", caller,
               /*claim=*/!options.force);
  if (!task.ok()) return Refuse(id, caller, task.status(), std::move(done));
  if (options.force) {
    OperationFacts facts =
        parts_.encoder->ParseMetadata((*task)->operation.metadata);
    facts.step = "force";
    (*task)->operation.metadata = parts_.encoder->Metadata(facts);
  }
  GuestWrite write = Accept(
      *task, caller,
      [this, task = *task, options] { BeginStop(task, options); },
      std::move(done));
  write.change = [name = (*task)->operation.name](GuestRecord& record) {
    // A launch in progress is cut off; its own end says what became of it.
    if (record.state != GuestState::kStarting && MayHaveProcess(record.state)) {
      record.state = GuestState::kStopping;
    }
    record.last_operation = name;
  };
  write.events.push_back(
      {"guest.stopping", "", (*task)->operation.name, (*task)->caller});
  parts_.book->Write(id, std::move(write));
}

void GuestSupervisor::BeginStop(const TaskPtr& task,
                                const StopOptions& options) {
  INNKEEPER_FAILPOINT("agent.stop.begin");
  const GuestRecord* guest = parts_.book->Find(task->guest);
  // It ended by itself between the request and now.
  if (guest == nullptr || !MayHaveProcess(guest->state)) {
    GuestWrite write;
    write.operation = task->operation;
    write.outcome = absl::OkStatus();
    EndTask(task);
    parts_.book->Write(task->guest, std::move(write));
    return;
  }
  if (!task->cancelled.ok()) return CancelStop(task);
  stops_[task->guest].push_back(task);
  if (options.force) {
    const auto running = tasks_.find(task->guest);
    if (running != tasks_.end()) {
      running->second->cancelled = Superseded(task->guest);
      running->second->forced = true;
      AbortReview(running->second);
      jobs_.Cancel(task->guest, running->second->cancelled);
    }
    return KillFor(task);
  }
  task->timer = parts_.loop->After(options.grace, [this, task] {
    LogInfo("guest.stop_grace_over", {{"guest", task->guest}});
    KillFor(task);
  });
  parts_.driver->PowerDown(task->guest, [task](absl::Status status) {
    // The grace period ends what the power button cannot.
    if (!status.ok()) {
      LogWarning("guest.power_down",
                 {{"guest", task->guest}, {"error", status.message()}});
    }
  });
}

void GuestSupervisor::KillFor(const TaskPtr& task) {
  INNKEEPER_FAILPOINT("agent.stop.kill");
  task->killing = true;
  parts_.driver->Kill(task->guest, [this, task](absl::Status status) {
    if (status.ok()) return;
    std::vector<TaskPtr>& stops = stops_[task->guest];
    stops.erase(std::remove(stops.begin(), stops.end(), task), stops.end());
    GuestWrite write;
    write.operation = task->operation;
    write.outcome = status;
    EndTask(task);
    parts_.book->Write(task->guest, std::move(write));
  });
}

void GuestSupervisor::Reboot(const Permit& /*permit*/, std::string id,
                             GuestCaller caller,
                             Completion<OperationRecord> done) {
  parts_.loop->Post([this, id = std::move(id), caller = std::move(caller),
                     done = std::move(done)]() mutable {
    absl::StatusOr<const GuestRecord*> guest =
        FindFor(id, caller, GuestVerb::kReboot);
    if (!guest.ok()) return Refuse(id, caller, guest.status(), std::move(done));
    absl::StatusOr<TaskPtr> task = MakeTask(id, (*guest)->uid, (*guest)->owner,
                                            "reboot", caller, /*claim=*/true);
    if (!task.ok()) return Refuse(id, caller, task.status(), std::move(done));
    parts_.book->Write(
        id, Accept(
                *task, caller, [this, task = *task] { BeginReboot(task); },
                std::move(done)));
  });
}

void GuestSupervisor::BeginReboot(const TaskPtr& task) {
  parts_.driver->Reset(task->guest, [this, task](absl::Status status) {
    GuestWrite write;
    write.operation = task->operation;
    write.outcome = task->cancelled.ok() ? status : task->cancelled;
    EndTask(task);
    parts_.book->Write(task->guest, std::move(write));
  });
}

void GuestSupervisor::Pause(const Permit& /*permit*/, std::string id,
                            GuestCaller caller, Completion<GuestRecord> done) {
  parts_.loop->Post([this, id = std::move(id), caller = std::move(caller),
                     done = std::move(done)]() mutable {
    SetRunState(id, GuestVerb::kPause, caller, std::move(done));
  });
}

void GuestSupervisor::Resume(const Permit& /*permit*/, std::string id,
                             GuestCaller caller, Completion<GuestRecord> done) {
  parts_.loop->Post([this, id = std::move(id), caller = std::move(caller),
                     done = std::move(done)]() mutable {
    SetRunState(id, GuestVerb::kResume, caller, std::move(done));
  });
}

void GuestSupervisor::SetRunState(const std::string& id, GuestVerb verb,
                                  const GuestCaller& caller,
                                  Completion<GuestRecord> done) {
  const bool pause = verb == GuestVerb::kPause;
  const GuestState wanted = pause ? GuestState::kPaused : GuestState::kRunning;
  const GuestRecord* present = parts_.book->Find(id);
  if (present != nullptr && present->state == wanted &&
      (caller.etag.empty() || caller.etag == present->etag)) {
    return done(*present);
  }
  absl::StatusOr<const GuestRecord*> guest = FindFor(id, caller, verb);
  if (!guest.ok()) return done(guest.status());
  absl::StatusOr<JobTable::Job> job = jobs_.Claim(id, ToString(verb));
  if (!job.ok()) return done(job.status());
  auto held = std::make_shared<JobTable::Job>(*std::move(job));
  auto answer = std::make_shared<Completion<GuestRecord>>(std::move(done));
  auto after = [this, id, wanted, pause, caller, held,
                answer](absl::Status status) {
    if (!status.ok()) return (*answer)(status);
    GuestWrite write;
    write.change = [wanted](GuestRecord& record) {
      // The guest may have ended meanwhile; that stays true.
      if (record.state == GuestState::kRunning ||
          record.state == GuestState::kPaused) {
        record.state = wanted;
      }
    };
    write.events.push_back(
        {pause ? "guest.paused" : "guest.resumed", "", "", caller.principal});
    write.done = [this, id, held, answer](absl::StatusOr<CommitResult> result) {
      if (!result.ok()) return (*answer)(result.status());
      const GuestRecord* record = parts_.book->Find(id);
      if (record == nullptr) return (*answer)(NoSuchGuest(id));
      (*answer)(*record);
    };
    parts_.book->Write(id, std::move(write));
  };
  if (pause) {
    parts_.driver->Pause(id, after);
  } else {
    parts_.driver->Resume(id, after);
  }
}

void GuestSupervisor::ReviewSecurity(const Permit& /*permit*/, std::string id,
                                     Completion<SecurityReport> done) {
  parts_.loop->Post(
      [this, id = std::move(id), done = std::move(done)]() mutable {
        const GuestRecord* guest = parts_.book->Find(id);
        if (guest == nullptr) return done(NoSuchGuest(id));
        parts_.driver->Review(*guest, std::move(done));
      });
}

}  // namespace innkeeper
