// What plugins have a say in: a launch, a start, and their explanation.
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
#include "agent/guest/guest_record.h"
#include "agent/guest/guest_state.h"
#include "agent/plugin/launch_review.h"
#include "agent/store/guest_record_codec.h"
#include "agent/supervisor/explained_launch.h"
#include "agent/supervisor/guest_supervisor.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/reason.h"

namespace innkeeper {
namespace {

// What a guest gets at PREPARE is what the plan has found out.
GuestRecord Planned(GuestRecord guest, const LaunchExplanation& plan) {
  guest.resolved_machine_type = plan.machine_type;
  guest.accel_used = plan.accel;
  guest.accel_reason = plan.accel_reason;
  return guest;
}

void AddCommandLine(const LaunchExplanation& plan, PluginQuestion* question) {
  question->argv = plan.argv;
  for (const ExplainedFd& fd : plan.fds) {
    question->descriptors.push_back(absl::StrCat(fd.number, ": ", fd.what));
  }
}

PluginQuestion MakeQuestion(PluginStage stage, const GuestRecord& guest,
                            absl::string_view caller) {
  PluginQuestion question;
  question.stage = stage;
  question.guest = guest;
  question.caller = std::string(caller);
  return question;
}

}  // namespace

bool GuestSupervisor::MayAsk(PluginStage stage, absl::string_view owner) const {
  return parts_.review != nullptr && parts_.review->MayAsk(stage, owner);
}

void GuestSupervisor::Launch(const Permit& permit, GuestRecord guest,
                             GuestCaller caller,
                             Completion<OperationRecord> done) {
  parts_.loop->Post([this, permit, guest = std::move(guest),
                     caller = std::move(caller),
                     done = std::move(done)]() mutable {
    // Nobody is asked about what would be refused anyhow.
    const absl::Status allowed =
        caller.refusal.ok() ? CheckNew(guest) : caller.refusal;
    if (!allowed.ok()) {
      return Refuse(guest.id, caller, allowed, std::move(done));
    }
    if (!MayAsk(PluginStage::kAdmit, guest.owner)) {
      return LaunchNow(permit, std::move(guest), {}, caller, std::move(done));
    }
    PluginQuestion question =
        MakeQuestion(PluginStage::kAdmit, guest, caller.principal);
    parts_.review->Start(
        std::move(question), permit,
        [this, permit, caller = std::move(caller),
         done = std::move(done)](ReviewOutcome outcome) mutable {
          if (!outcome.status.ok()) {
            const std::string id = outcome.guest.id;
            return Refuse(id, caller, outcome.status, std::move(done));
          }
          LaunchNow(permit, std::move(outcome.guest),
                    std::move(outcome.changes), caller, std::move(done));
        });
  });
}

void GuestSupervisor::StartGuest(const Permit& permit, std::string id,
                                 GuestCaller caller,
                                 Completion<OperationRecord> done) {
  parts_.loop->Post([this, permit, id = std::move(id),
                     caller = std::move(caller),
                     done = std::move(done)]() mutable {
    const absl::StatusOr<const GuestRecord*> guest =
        FindFor(id, caller, GuestVerb::kStart);
    if (!guest.ok()) return Refuse(id, caller, guest.status(), std::move(done));
    if (!MayAsk(PluginStage::kAdmit, (*guest)->owner)) {
      return StartNow(id, caller, std::move(done));
    }
    PluginQuestion question =
        MakeQuestion(PluginStage::kAdmit, **guest, caller.principal);
    question.restart = true;
    parts_.review->Start(
        std::move(question), permit,
        [this, id, caller = std::move(caller),
         done = std::move(done)](ReviewOutcome outcome) mutable {
          if (!outcome.status.ok()) {
            return Refuse(id, caller, outcome.status, std::move(done));
          }
          StartNow(id, caller, std::move(done));
        });
  });
}

void GuestSupervisor::StartNow(const std::string& id, const GuestCaller& caller,
                               Completion<OperationRecord> done) {
  absl::StatusOr<const GuestRecord*> guest =
      FindFor(id, caller, GuestVerb::kStart);
  if (!guest.ok()) return Refuse(id, caller, guest.status(), std::move(done));
  absl::StatusOr<TaskPtr> task = MakeTask(id, (*guest)->uid, (*guest)->owner,
                                          "start", caller, /*claim=*/true);
  if (!task.ok()) return Refuse(id, caller, task.status(), std::move(done));
  GuestWrite write = Accept(
      *task, caller, [this, task = *task] { BeginLaunch(task); },
      std::move(done));
  write.change = [name = (*task)->operation.name](GuestRecord& record) {
    record.state = GuestState::kStarting;
    record.state_reason.clear();
    record.exit.reset();
    record.last_operation = name;
  };
  write.events.push_back(
      {"guest.starting", "", (*task)->operation.name, (*task)->caller});
  parts_.book->Write(id, std::move(write));
}

void GuestSupervisor::BeginLaunch(const TaskPtr& task) {
  INNKEEPER_FAILPOINT("agent.launch.begin");
  const GuestRecord* guest = parts_.book->Find(task->guest);
  if (guest == nullptr) return EndTask(task);
  if (!task->cancelled.ok()) return FailLaunch(task, task->cancelled);
  if (!MayAsk(PluginStage::kPrepare, guest->owner)) return LaunchGuest(task);
  parts_.driver->Explain(*guest,
                         [this, task](absl::StatusOr<LaunchExplanation> plan) {
                           if (!task->cancelled.ok())
                             return FailLaunch(task, task->cancelled);
                           if (!plan.ok())
                             return FailLaunch(task, plan.status());
                           Prepare(task, *plan);
                         });
}

void GuestSupervisor::Prepare(const TaskPtr& task,
                              const LaunchExplanation& plan) {
  const GuestRecord* guest = parts_.book->Find(task->guest);
  if (guest == nullptr) return EndTask(task);
  PluginQuestion question =
      MakeQuestion(PluginStage::kPrepare, Planned(*guest, plan), task->caller);
  question.restart = task->verb == "start";
  task->abort_review = parts_.review->Start(
      std::move(question), task->permit, [this, task](ReviewOutcome outcome) {
        task->abort_review = nullptr;
        if (!task->cancelled.ok()) return FailLaunch(task, task->cancelled);
        if (!outcome.status.ok()) return FailLaunch(task, outcome.status);
        if (outcome.changes.empty()) return LaunchGuest(task);
        GuestWrite write;
        write.change = [spec = outcome.guest.spec](GuestRecord& record) {
          record.spec = spec;
          record.spec_digest = SpecDigest(spec);
        };
        write.events.push_back({"guest.patched",
                                absl::StrJoin(outcome.changes, "; "),
                                task->operation.name, task->caller});
        write.done = [this, task](absl::StatusOr<CommitResult> result) {
          if (!task->cancelled.ok()) return FailLaunch(task, task->cancelled);
          if (!result.ok()) return FailLaunch(task, result.status());
          LaunchGuest(task);
        };
        parts_.book->Write(task->guest, std::move(write));
      });
}

void GuestSupervisor::LaunchGuest(const TaskPtr& task) {
  INNKEEPER_FAILPOINT("agent.launch.prepared");
  const GuestRecord* guest = parts_.book->Find(task->guest);
  if (guest == nullptr) return EndTask(task);
  parts_.driver->Launch(*guest,
                        [this, task](absl::StatusOr<DriverGuest> launched) {
                          EndLaunch(task, std::move(launched));
                        });
}

void GuestSupervisor::TakeLastLook(const GuestRecord& guest,
                                   const LaunchExplanation& plan,
                                   StatusCompletion done) {
  const auto found = tasks_.find(guest.id);
  if (found == tasks_.end() || !MayAsk(PluginStage::kArgv, guest.owner)) {
    return done(absl::OkStatus());
  }
  const TaskPtr task = found->second;
  if (!task->cancelled.ok()) return done(task->cancelled);
  PluginQuestion question =
      MakeQuestion(PluginStage::kArgv, Planned(guest, plan), task->caller);
  question.restart = task->verb == "start";
  AddCommandLine(plan, &question);
  task->abort_review = parts_.review->Start(
      std::move(question), task->permit,
      [task, done = std::move(done)](ReviewOutcome outcome) mutable {
        task->abort_review = nullptr;
        done(outcome.status);
      });
}

void GuestSupervisor::AbortReview(const TaskPtr& task) {
  LaunchPlugin::Abort abort = std::exchange(task->abort_review, nullptr);
  if (abort != nullptr) abort();
}

// One explanation on its way through the stages.
struct GuestSupervisor::Explaining {
  Permit permit;
  std::string caller;
  ExplainedLaunch result;
  Completion<ExplainedLaunch> done;
};

void GuestSupervisor::Explain(const Permit& permit, GuestRecord guest,
                              Completion<ExplainedLaunch> done) {
  auto explaining = std::make_shared<Explaining>(Explaining{
      permit, permit.caller().principal.ToString(), {}, std::move(done)});
  explaining->result.guest = std::move(guest);
  parts_.loop->Post([this, explaining] {
    const absl::Status allowed = CheckNew(explaining->result.guest);
    if (!allowed.ok()) {
      explaining->result.refusals.push_back(allowed);
      return explaining->done(std::move(explaining->result));
    }
    ExplainStage(explaining, PluginStage::kAdmit);
  });
}

void GuestSupervisor::ExplainStage(
    const std::shared_ptr<Explaining>& explaining, PluginStage stage) {
  ExplainedLaunch& result = explaining->result;
  if (!MayAsk(stage, result.guest.owner)) {
    return ExplainPlan(explaining, stage);
  }
  PluginQuestion question =
      MakeQuestion(stage, result.guest, explaining->caller);
  if (stage != PluginStage::kAdmit) {
    question.guest = Planned(result.guest, result.launch);
  }
  question.dry_run = true;
  if (stage == PluginStage::kArgv) AddCommandLine(result.launch, &question);
  parts_.review->Start(std::move(question), explaining->permit,
                       [this, explaining, stage](ReviewOutcome outcome) {
                         ExplainedLaunch& so_far = explaining->result;
                         so_far.guest.spec = std::move(outcome.guest.spec);
                         for (PluginVerdict& verdict : outcome.verdicts) {
                           so_far.plugins.push_back(std::move(verdict));
                         }
                         for (absl::Status& refusal : outcome.refusals) {
                           so_far.refusals.push_back(std::move(refusal));
                         }
                         ExplainPlan(explaining, stage);
                       });
}

void GuestSupervisor::ExplainPlan(const std::shared_ptr<Explaining>& explaining,
                                  PluginStage after) {
  if (after == PluginStage::kArgv) {
    return explaining->done(std::move(explaining->result));
  }
  parts_.driver->Explain(
      explaining->result.guest,
      [this, explaining, after](absl::StatusOr<LaunchExplanation> plan) {
        ExplainedLaunch& so_far = explaining->result;
        if (!plan.ok()) {
          so_far.refusals.push_back(plan.status());
          return explaining->done(std::move(so_far));
        }
        so_far.launch = *std::move(plan);
        // Where nobody may change the plan, one look at it is enough.
        const bool again = after == PluginStage::kAdmit &&
                           MayAsk(PluginStage::kPrepare, so_far.guest.owner);
        ExplainStage(explaining,
                     again ? PluginStage::kPrepare : PluginStage::kArgv);
      });
}

}  // namespace innkeeper
