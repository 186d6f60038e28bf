#include "server/service/operation_runner.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "auth/delegation.h"
#include "auth/principal.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/reason.h"
#include "google/protobuf/any.pb.h"
#include "innkeeper/v1/guests.pb.h"
#include "server/service/operation_view.h"

namespace innkeeper {
namespace {

using google::longrunning::GetOperationRequest;
using google::longrunning::Operation;
using google::longrunning::WaitOperationRequest;

constexpr char kGet[] = "google.longrunning.Operations/GetOperation";
constexpr char kWait[] = "google.longrunning.Operations/WaitOperation";
constexpr absl::Duration kCallTimeout = absl::Seconds(30);
constexpr absl::Duration kLongPoll = absl::Seconds(30);
constexpr int kMaxTries = 20;
// An agent tells of a guest and of its operation on two streams: how long the
// end of the operation waits for the list to show what it did, and how often it
// looks.
constexpr absl::Duration kShowPatience = absl::Seconds(2);
constexpr absl::Duration kShowPause = absl::Milliseconds(2);

bool IsLaunch(const ClusterOperation& operation) {
  return absl::EndsWith(operation.method, "/LaunchGuest");
}
bool IsDelete(const ClusterOperation& operation) {
  return absl::EndsWith(operation.method, "/DeleteGuest");
}
// When the guest last changed. An agent keeps no smaller units than these.
int64_t MicrosOf(const v1::Guest& guest) {
  return guest.update_time().seconds() * 1000000 +
         guest.update_time().nanos() / 1000;
}

}  // namespace

struct OperationRunner::Task {
  ClusterOperation operation;
  StatusCompletion accepted;
  absl::Duration pause;
  absl::StatusOr<std::string> result = std::string();
  absl::Time shown_by = absl::InfinitePast();  // Given up then.

  void Accept(const absl::Status& status) {
    if (!accepted) return;
    auto done = std::move(accepted);
    accepted = nullptr;
    done(status);
  }
};

struct OperationRunner::Alive {
  absl::Mutex mutex;
  int running ABSL_GUARDED_BY(mutex) = 0;
  bool stopped ABSL_GUARDED_BY(mutex) = false;

  bool Enter() {
    absl::MutexLock lock(&mutex);
    if (stopped) return false;
    ++running;
    return true;
  }
  void Leave() {
    absl::MutexLock lock(&mutex);
    --running;
  }
  bool Idle() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    return running == 0;
  }
};

OperationRunner::OperationRunner(const Parts& parts)
    : parts_(parts), alive_(std::make_shared<Alive>()) {}

OperationRunner::~OperationRunner() {
  absl::MutexLock lock(&alive_->mutex);
  alive_->stopped = true;
  alive_->mutex.Await(absl::Condition(alive_.get(), &Alive::Idle));
}

void OperationRunner::Do(const TaskPtr& task, Step step) {
  if (!alive_->Enter()) return;
  const absl::Status submitted =
      parts_.executor->Submit([this, alive = alive_, task, step] {
        if (!alive->Enter()) return;
        (this->*step)(task);
        alive->Leave();
      });
  if (!submitted.ok()) DoLater(task, step);
  alive_->Leave();
}

void OperationRunner::DoLater(const TaskPtr& task, Step step) {
  const absl::Duration pause = task->pause;
  task->pause = std::min(pause * 2, parts_.longest_pause);
  parts_.loop->Post([this, alive = alive_, task, step, pause] {
    if (!alive->Enter()) return;
    parts_.loop->After(pause, [this, alive, task, step] {
      if (!alive->Enter()) return;
      Do(task, step);
      alive->Leave();
    });
    alive->Leave();
  });
}

template <typename Response>
Completion<Response> OperationRunner::Then(
    const TaskPtr& task,
    std::function<void(const TaskPtr&, absl::StatusOr<Response>)> next) {
  return [alive = alive_, task,
          next = std::move(next)](absl::StatusOr<Response> answer) {
    if (!alive->Enter()) return;
    next(task, std::move(answer));
    alive->Leave();
  };
}

void OperationRunner::Run(const std::string& name, StatusCompletion accepted) {
  const OperationManager::Entry operation = parts_.operations->Find(name);
  auto task = std::make_shared<Task>();
  task->accepted = std::move(accepted);
  if (operation == nullptr || operation->done) {
    return task->Accept(absl::OkStatus());
  }
  task->operation = *operation;
  task->pause = parts_.shortest_pause;
  Do(task, &OperationRunner::Send);
}

void OperationRunner::ResumeAll() {
  for (const OperationManager::Entry& operation :
       parts_.operations->Unfinished()) {
    LogInfo("operation.resumed",
            {{"operation", operation->name}, {"step", operation->step}});
    auto task = std::make_shared<Task>();
    task->operation = *operation;
    task->pause = parts_.shortest_pause;
    Do(task, &OperationRunner::Ask);
  }
}

std::shared_ptr<AgentClient> OperationRunner::ClientOf(const TaskPtr& task) {
  std::shared_ptr<AgentClient> client =
      parts_.inventory->FindClient(task->operation.host);
  if (client == nullptr) {
    SetResult(
        task,
        Error(absl::StatusCode::kFailedPrecondition, reason::kHostNotFound,
              absl::StrCat("host '", task->operation.host,
                           "' is no longer in the cluster"))
            .With("host", absl::StrCat("hosts/", task->operation.host))
            .Build());
  }
  return client;
}

void OperationRunner::Ask(const TaskPtr& task) {
  const std::shared_ptr<AgentClient> client = ClientOf(task);
  if (client == nullptr) return;
  GetOperationRequest request;
  request.set_name(task->operation.name);
  INNKEEPER_FAILPOINT("server.operation.asking");
  CallAgent<Operation>(
      *client, kGet, request, std::nullopt, kCallTimeout,
      Then<Operation>(
          task, [this](const TaskPtr& task, absl::StatusOr<Operation> answer) {
            INNKEEPER_FAILPOINT("server.operation.asked");
            if (answer.ok()) return OnAgentOperation(task, *answer);
            if (absl::IsNotFound(answer.status())) return OnLost(task);
            OnTrouble(task, answer.status());
          }));
}

// The agent knows nothing of the operation: it was never told, or has lost its
// database. In the latter case the guest may be there nevertheless.
void OperationRunner::OnLost(const TaskPtr& task) {
  const ClusterOperation& operation = task->operation;
  const GuestRowPtr row =
      parts_.inventory->table().FindByUid(operation.guest_uid);
  const bool there =
      row != nullptr && (row->guest.state() == v1::Guest::RUNNING ||
                         row->guest.state() == v1::Guest::PAUSED);
  if (IsLaunch(operation) && there) {
    google::protobuf::Any response;
    response.PackFrom(row->guest);
    return SetResult(task, response.SerializeAsString());
  }
  Do(task, &OperationRunner::Send);
}

void OperationRunner::Send(const TaskPtr& task) {
  const std::shared_ptr<AgentClient> client = ClientOf(task);
  if (client == nullptr) return;
  absl::StatusOr<Principal> caller = Principal::Parse(task->operation.caller);
  if (!caller.ok()) return SetResult(task, caller.status());
  NoteStep(task, "sent");
  Delegation delegation{
      *std::move(caller),
      std::string(absl::StripPrefix(task->operation.name, "operations/")),
      task->operation.guest_uid,
      parts_.inventory->FencingNumber(task->operation.host)};
  INNKEEPER_FAILPOINT("server.operation.sending");
  client->Call(
      task->operation.method, task->operation.request, delegation, kCallTimeout,
      Then<std::string>(
          task, [this](const TaskPtr& task, absl::StatusOr<std::string> bytes) {
            INNKEEPER_FAILPOINT("server.operation.sent");
            if (!bytes.ok()) {
              if (IsUnreachable(bytes.status())) {
                return OnTrouble(task, bytes.status());
              }
              return SetResult(task, bytes.status());
            }
            Operation operation;
            if (!operation.ParseFromString(*bytes)) {
              return OnTrouble(task, absl::InternalError("unreadable answer"));
            }
            task->Accept(absl::OkStatus());
            OnAgentOperation(task, operation);
          }));
}

void OperationRunner::OnAgentOperation(const TaskPtr& task,
                                       const Operation& operation) {
  task->pause = parts_.shortest_pause;
  task->Accept(absl::OkStatus());
  if (operation.done()) return SetResult(task, ResultOf(operation));
  const std::string step = StepOf(operation);
  if (!step.empty()) parts_.operations->ShowStep(task->operation.name, step);
  Do(task, &OperationRunner::Wait);
}

void OperationRunner::Wait(const TaskPtr& task) {
  const std::shared_ptr<AgentClient> client = ClientOf(task);
  if (client == nullptr) return;
  WaitOperationRequest request;
  request.set_name(task->operation.name);
  request.mutable_timeout()->set_seconds(absl::ToInt64Seconds(kLongPoll));
  INNKEEPER_FAILPOINT("server.operation.waiting");
  CallAgent<Operation>(
      *client, kWait, request, std::nullopt, kLongPoll + kCallTimeout,
      Then<Operation>(
          task, [this](const TaskPtr& task, absl::StatusOr<Operation> answer) {
            INNKEEPER_FAILPOINT("server.operation.waited");
            if (answer.ok()) return OnAgentOperation(task, *answer);
            if (absl::IsNotFound(answer.status())) return OnLost(task);
            OnTrouble(task, answer.status());
          }));
}

void OperationRunner::OnTrouble(const TaskPtr& task,
                                const absl::Status& status) {
  task->Accept(absl::OkStatus());
  const ClusterOperation& operation = task->operation;
  if (parts_.clock->Now() - operation.create_time > parts_.life) {
    return SetResult(
        task, Error(absl::StatusCode::kUnavailable, reason::kHostUnreachable,
                    absl::StrCat("host '", operation.host,
                                 "' did not answer in time: ", status.message(),
                                 "; it may still happen"))
                  .With("host", absl::StrCat("hosts/", operation.host))
                  .Build());
  }
  LogWarning("operation.waits", {{"operation", operation.name},
                                 {"host", operation.host},
                                 {"error", status.message()}});
  // On a worker, for it writes to the store.
  if (!alive_->Enter()) return;
  const absl::Status submitted = parts_.executor->Submit(
      [this, alive = alive_, task, text = std::string(status.message())] {
        if (!alive->Enter()) return;
        NoteStep(task, absl::StrCat("waiting for hosts/", task->operation.host,
                                    ": ", text));
        alive->Leave();
      });
  if (!submitted.ok()) LogWarning("operation.waits", {{"error", "busy"}});
  alive_->Leave();
  DoLater(task, &OperationRunner::Ask);
}

void OperationRunner::NoteStep(const TaskPtr& task, const std::string& step) {
  const absl::StatusOr<ClusterOperation> updated = parts_.operations->Update(
      task->operation.name,
      [&](ClusterOperation& operation) { operation.step = step; });
  if (updated.ok()) return;
  LogWarning("operation.step", {{"operation", task->operation.name},
                                {"error", updated.status().message()}});
}

void OperationRunner::SetResult(const TaskPtr& task,
                                absl::StatusOr<std::string> result) {
  task->result = std::move(result);
  task->shown_by = absl::Now() + kShowPatience;
  Do(task, &OperationRunner::AwaitShown);
}

bool OperationRunner::IsShown(const Task& task) const {
  const ClusterOperation& operation = task.operation;
  const GuestRowPtr row =
      parts_.inventory->table().FindByUid(operation.guest_uid);
  if (!task.result.ok()) {
    return !IsLaunch(operation) || row == nullptr ||
           row->guest.state() != v1::Guest::STARTING;
  }
  if (IsDelete(operation)) return row == nullptr;
  google::protobuf::Any response;
  v1::Guest guest;
  if (!response.ParseFromString(*task.result) || !response.UnpackTo(&guest)) {
    return true;
  }
  return row != nullptr && MicrosOf(row->guest) >= MicrosOf(guest);
}

void OperationRunner::AwaitShown(const TaskPtr& task) {
  if (IsShown(*task) || absl::Now() > task->shown_by) {
    return Do(task, &OperationRunner::Finish);
  }
  task->pause = kShowPause;
  DoLater(task, &OperationRunner::AwaitShown);
}

void OperationRunner::Finish(const TaskPtr& task) {
  const ClusterOperation& operation = task->operation;
  INNKEEPER_FAILPOINT("server.operation.finishing");
  absl::Status finished;
  // Of a launch that failed, and of a guest that was deleted, nothing is kept.
  // A guest that its host still shows keeps what it has until that is over.
  const bool ended = IsLaunch(operation)
                         ? !task->result.ok()
                         : IsDelete(operation) && task->result.ok();
  for (int i = 0; i < kMaxTries; ++i) {
    Txn companion;
    if (ended) {
      absl::StatusOr<Txn> release =
          parts_.claims->MakeRelease(operation.guest, operation.guest_uid);
      finished = release.status();
      if (!finished.ok()) break;
      companion = *std::move(release);
    }
    finished =
        parts_.operations->Finish(operation.name, task->result, companion)
            .status();
    if (!absl::IsAborted(finished) && !IsOutcomeUnknown(finished)) break;
  }
  if (!finished.ok() && !absl::IsNotFound(finished)) {
    LogError("operation.finish",
             {{"operation", operation.name}, {"error", finished.message()}});
    task->pause = std::max(task->pause, parts_.shortest_pause);
    return DoLater(task, &OperationRunner::Finish);
  }
  if (ended) parts_.claims->Forget(operation.guest, operation.guest_uid);
  INNKEEPER_FAILPOINT("server.operation.finished");
  LogInfo("operation.done",
          {{"operation", operation.name},
           {"verb", VerbOf(operation.method)},
           {"guest", operation.guest},
           {"result", absl::StatusCodeToString(task->result.status().code())}});
  task->Accept(task->result.status());
}

}  // namespace innkeeper
