#include "server/store/watch_dispatcher.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"

namespace innkeeper {

// One watch. `next_revision`, `closed` and `calling` are guarded by the
// dispatcher's mutex; `callback` belongs to the dispatcher's thread until the
// watch is closed and no call is under way, and then to its closer.
struct WatchDispatcher::Subscription {
  std::string prefix;
  WatchCallback callback;
  int64_t next_revision = 0;
  bool closed = false;
  bool calling = false;
};

class WatchDispatcher::Handle : public Watch {
 public:
  Handle(WatchDispatcher* dispatcher,
         std::shared_ptr<Subscription> subscription)
      : dispatcher_(dispatcher), subscription_(std::move(subscription)) {}
  ~Handle() override { dispatcher_->Close(subscription_); }

 private:
  WatchDispatcher* const dispatcher_;
  const std::shared_ptr<Subscription> subscription_;
};

WatchDispatcher::WatchDispatcher(int64_t revision, ReadHistory read_history)
    : read_history_(std::move(read_history)),
      revision_(revision),
      thread_([this] { Loop(); }) {}

WatchDispatcher::~WatchDispatcher() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
}

std::unique_ptr<Watch> WatchDispatcher::StartWatch(absl::string_view prefix,
                                                   int64_t from_revision,
                                                   WatchCallback callback) {
  auto subscription = std::make_shared<Subscription>();
  subscription->prefix = std::string(prefix);
  subscription->callback = std::move(callback);
  absl::MutexLock lock(&mutex_);
  subscription->next_revision =
      from_revision == 0 ? revision_ + 1 : from_revision;
  subscriptions_.push_back(subscription);
  return std::make_unique<Handle>(this, std::move(subscription));
}

void WatchDispatcher::Advance(int64_t revision) {
  absl::MutexLock lock(&mutex_);
  revision_ = std::max(revision_, revision);
}

void WatchDispatcher::HoldBack(bool hold) {
  absl::MutexLock lock(&mutex_);
  held_back_ = hold;
}

bool WatchDispatcher::HasWork() const {
  if (stopping_) return true;
  if (held_back_) return false;
  return std::any_of(subscriptions_.begin(), subscriptions_.end(),
                     [this](const auto& subscription) {
                       mutex_.AssertHeld();
                       return subscription->next_revision <= revision_;
                     });
}

void WatchDispatcher::Loop() {
  while (true) {
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(this, &WatchDispatcher::HasWork));
      if (stopping_) return;
    }
    for (const auto& [from_revision, group] : Lagging()) {
      Serve(from_revision, group);
    }
  }
}

std::map<int64_t, WatchDispatcher::Group> WatchDispatcher::Lagging() {
  absl::MutexLock lock(&mutex_);
  std::map<int64_t, Group> lagging;
  for (const auto& subscription : subscriptions_) {
    if (subscription->next_revision <= revision_) {
      lagging[subscription->next_revision].push_back(subscription);
    }
  }
  return lagging;
}

void WatchDispatcher::Serve(int64_t from_revision, const Group& group) {
  const absl::StatusOr<HistoryPage> page = read_history_(from_revision);
  for (const auto& subscription : group) {
    if (!page.ok()) {
      Call(*subscription, page.status());
      absl::MutexLock lock(&mutex_);
      subscriptions_.erase(std::remove(subscriptions_.begin(),
                                       subscriptions_.end(), subscription),
                           subscriptions_.end());
      continue;
    }
    for (const WatchBatch& batch : page->batches) {
      WatchBatch seen{batch.revision, {}};
      for (const StoreEvent& event : batch.events) {
        if (absl::StartsWith(event.kv.key, subscription->prefix)) {
          seen.events.push_back(event);
        }
      }
      if (!seen.events.empty()) Call(*subscription, std::move(seen));
    }
    absl::MutexLock lock(&mutex_);
    subscription->next_revision =
        std::max(from_revision, page->last_revision + 1);
  }
}

void WatchDispatcher::Call(Subscription& subscription,
                           absl::StatusOr<WatchBatch> batch) {
  {
    absl::MutexLock lock(&mutex_);
    if (subscription.closed || stopping_) return;
    subscription.calling = true;
  }
  subscription.callback(std::move(batch));
  absl::MutexLock lock(&mutex_);
  subscription.calling = false;
}

void WatchDispatcher::Close(const std::shared_ptr<Subscription>& subscription) {
  // A callback that ends its own watch cannot wait for itself to end.
  const bool own_thread = std::this_thread::get_id() == thread_.get_id();
  {
    absl::MutexLock lock(&mutex_);
    subscription->closed = true;
    subscriptions_.erase(
        std::remove(subscriptions_.begin(), subscriptions_.end(), subscription),
        subscriptions_.end());
    if (own_thread && subscription->calling) return;
    mutex_.Await(absl::Condition(
        +[](Subscription* s) { return !s->calling; }, subscription.get()));
  }
  // What the callback holds goes now, on the closer's thread, and not whenever
  // the dispatcher drops its last reference.
  subscription->callback = nullptr;
}

}  // namespace innkeeper
