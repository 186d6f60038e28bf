#include "agent/supervisor/operation_tracker.h"

#include <algorithm>
#include <list>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "agent/store/store_types.h"
#include "base/completion.h"

namespace innkeeper {
namespace {

constexpr absl::Duration kMaxWait = absl::Hours(1);

}  // namespace

void OperationTracker::Publish(const OperationRecord& operation) {
  std::list<std::shared_ptr<Waiter>> waiters;
  {
    absl::MutexLock lock(&mutex_);
    if (!operation.done) {
      running_[operation.name].operation = operation;
      return;
    }
    const auto running = running_.find(operation.name);
    if (running == running_.end()) return;
    waiters = std::move(running->second.waiters);
    running_.erase(running);
  }
  for (const std::shared_ptr<Waiter>& waiter : waiters) {
    loop_->Post([this, waiter, operation] {
      loop_->Cancel(waiter->timer);
      waiter->done(operation);
    });
  }
}

absl::StatusOr<OperationRecord> OperationTracker::Get(absl::string_view name) {
  {
    absl::MutexLock lock(&mutex_);
    const auto running = running_.find(name);
    if (running != running_.end()) return running->second.operation;
  }
  absl::StatusOr<OperationRecord> operation = store_->GetOperation(name);
  if (!operation.ok()) return operation;
  return Shown(*std::move(operation));
}

OperationRecord OperationTracker::Shown(OperationRecord operation) {
  absl::MutexLock lock(&mutex_);
  const auto running = running_.find(operation.name);
  if (running == running_.end()) return operation;
  return running->second.operation;
}

bool OperationTracker::Enlist(const std::string& name, absl::Duration timeout,
                              Completion<OperationRecord>* done) {
  absl::MutexLock lock(&mutex_);
  const auto running = running_.find(name);
  if (running == running_.end()) return false;
  auto waiter = std::make_shared<Waiter>();
  waiter->done = std::move(*done);
  running->second.waiters.push_back(waiter);
  const absl::Duration bounded = std::min(timeout, kMaxWait);
  loop_->Post([this, name, waiter, bounded] {
    waiter->timer =
        loop_->After(bounded, [this, name, waiter] { TimeOut(name, waiter); });
  });
  return true;
}

void OperationTracker::Wait(const std::string& name, absl::Duration timeout,
                            Completion<OperationRecord> done) {
  if (Enlist(name, timeout, &done)) return;
  absl::StatusOr<OperationRecord> operation = Get(name);
  // It may have begun just now.
  const bool runs = operation.ok() && !operation->done;
  if (runs && Enlist(name, timeout, &done)) return;
  done(std::move(operation));
}

void OperationTracker::TimeOut(const std::string& name,
                               const std::shared_ptr<Waiter>& waiter) {
  OperationRecord operation;
  {
    absl::MutexLock lock(&mutex_);
    const auto running = running_.find(name);
    // Done in the meantime: Publish() answers.
    if (running == running_.end()) return;
    std::list<std::shared_ptr<Waiter>>& waiters = running->second.waiters;
    const auto found = std::find(waiters.begin(), waiters.end(), waiter);
    if (found == waiters.end()) return;
    waiters.erase(found);
    operation = running->second.operation;
  }
  waiter->done(std::move(operation));
}

}  // namespace innkeeper
