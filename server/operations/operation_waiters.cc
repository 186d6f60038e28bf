#include "server/operations/operation_waiters.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/reason.h"
#include "server/operations/operation_errors.h"

namespace innkeeper {

OperationWaiters::~OperationWaiters() {
  loop_->PostAndWait([this] {
    Waiters ended;
    ended.swap(waiters_);
    for (auto& [position, waiter] : ended) {
      loop_->Cancel(waiter.timer);
      waiter.done(
          Error(absl::StatusCode::kUnavailable, reason::kShuttingDown,
                "the server is shutting down; the operation goes on when it "
                "is back")
              .Build());
    }
  });
}

void OperationWaiters::Wait(absl::string_view name, absl::Duration timeout,
                            Completion<ClusterOperation> done) {
  loop_->Post([this, name = std::string(name), timeout,
               done = std::move(done)]() mutable {
    Add(std::move(name), timeout, std::move(done));
  });
}

void OperationWaiters::Wake(absl::string_view name) {
  loop_->Post([this, name = std::string(name)] { WakeAll(name); });
}

void OperationWaiters::Add(std::string name, absl::Duration timeout,
                           Completion<ClusterOperation> done) {
  // What is done after this look wakes the waiter: Wake is posted behind it.
  const OperationIndex::Entry known = index_->Find(name);
  if (known == nullptr) {
    done(OperationNotFoundError(name));
    return;
  }
  if (known->done || timeout <= absl::ZeroDuration()) {
    done(*known);
    return;
  }
  if (waiters_.size() >= kMaxWaiters) {
    done(Error(absl::StatusCode::kResourceExhausted, reason::kTooManyRequests,
               absl::StrCat(kMaxWaiters,
                            " calls wait for operations already; "
                            "ask for the operation now and then"))
             .RetryAfter(absl::Seconds(1))
             .Build());
    return;
  }
  const auto [waiter, added] = waiters_.try_emplace({std::move(name), next_++});
  waiter->second.done = std::move(done);
  if (timeout != absl::InfiniteDuration()) {
    waiter->second.timer =
        loop_->After(timeout, [this, waiter = waiter] { Finish(waiter); });
  }
}

void OperationWaiters::WakeAll(const std::string& name) {
  while (true) {
    const auto waiter = waiters_.lower_bound({name, 0});
    if (waiter == waiters_.end() || waiter->first.first != name) return;
    Finish(waiter);
  }
}

void OperationWaiters::Finish(Waiters::iterator waiter) {
  auto node = waiters_.extract(waiter);
  loop_->Cancel(node.mapped().timer);
  const OperationIndex::Entry known = index_->Find(node.key().first);
  if (known == nullptr) {
    node.mapped().done(OperationNotFoundError(node.key().first));
  } else {
    node.mapped().done(*known);
  }
}

}  // namespace innkeeper
