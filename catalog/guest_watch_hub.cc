#include "catalog/guest_watch_hub.h"

#include <atomic>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/error.h"
#include "base/reason.h"
#include "catalog/resume_token.h"

namespace innkeeper {

struct GuestWatchHub::Watcher {
  GuestWatch watch;
  // Names to look at; with what a guest was, if it is gone.
  std::map<std::string, GuestRowPtr> pending;
  std::set<std::string> shown;        // Names that the client has.
  std::set<std::string> maybe_shown;  // Names that it may have from before.
  bool begun = false;
  // Where the logs were when `pending` was last empty.
  Positions mark;
  bool ended = false;
  std::atomic<bool> cancelled{false};
};

GuestWatchHub::GuestWatchHub(EventLoop* loop, GuestTable* table,
                             EventHub* events)
    : loop_(loop), table_(table), events_(events) {
  loop_->Post([this] {
    timer_ = loop_->After(EventHub::kMarkInterval, [this] { Tick(); });
  });
}

GuestWatchHub::~GuestWatchHub() {
  loop_->PostAndWait([this] {
    loop_->Cancel(timer_);
    for (const WatcherPtr& watcher : watchers_) {
      watcher->ended = true;
      watcher->watch.stream->Finish(
          Error(absl::StatusCode::kUnavailable, reason::kShuttingDown,
                "the service is stopping; resume from the last mark"));
    }
    watchers_.clear();
  });
}

void GuestWatchHub::Changed(const std::string& name, GuestRowPtr gone) {
  loop_->Post([this, name, gone = std::move(gone)] {
    const std::list<WatcherPtr> watchers = watchers_;
    for (const WatcherPtr& watcher : watchers) {
      watcher->pending[name] = gone;
      Pump(watcher);
    }
  });
}

void GuestWatchHub::Start(GuestWatch watch) {
  loop_->Post([this, watch = std::move(watch)]() mutable {
    StartOnLoop(std::move(watch));
  });
}

void GuestWatchHub::StartOnLoop(GuestWatch watch) {
  auto watcher = std::make_shared<Watcher>();
  watcher->watch = std::move(watch);
  watchers_.push_back(watcher);
  const std::weak_ptr<Watcher> weak = watcher;
  watcher->watch.stream->SetCancelHandler([this, weak] {
    const WatcherPtr cancelled = weak.lock();
    if (cancelled == nullptr) return;
    cancelled->cancelled = true;
    loop_->Post([this, weak] {
      const WatcherPtr gone = weak.lock();
      if (gone == nullptr || gone->ended) return;
      gone->ended = true;
      watchers_.remove(gone);
    });
  });
  watcher->watch.stream->SetDrainHandler([this, weak] {
    loop_->Post([this, weak] {
      if (const WatcherPtr ready = weak.lock()) Pump(ready);
    });
  });
  if (!watcher->watch.resume.has_value()) {
    const auto snapshot = table_->Snapshot();
    for (const GuestRowPtr& row : snapshot->rows) {
      watcher->pending[row->guest.name()] = nullptr;
    }
    return Begin(watcher);
  }
  events_->GuestsSince(
      *watcher->watch.resume, watcher->watch.may_see,
      [this, weak](const absl::StatusOr<std::vector<std::string>>& guests) {
        const WatcherPtr reader = weak.lock();
        if (reader == nullptr || reader->ended) return;
        if (!guests.ok()) {
          reader->ended = true;
          reader->watch.stream->Finish(guests.status());
          watchers_.remove(reader);
          return;
        }
        for (const std::string& name : *guests) {
          reader->pending.emplace(name, nullptr);
        }
        reader->maybe_shown.insert(guests->begin(), guests->end());
        Begin(reader);
      });
}

void GuestWatchHub::Begin(const WatcherPtr& watcher) {
  watcher->begun = true;
  Pump(watcher);
}

void GuestWatchHub::Pump(const WatcherPtr& watcher) {
  if (!watcher->begun || watcher->ended || watcher->cancelled) return;
  const bool had_any = !watcher->pending.empty();
  while (!watcher->pending.empty()) {
    if (!watcher->watch.stream->WritePermitted()) return;
    const std::string name = watcher->pending.begin()->first;
    const GuestRowPtr gone = watcher->pending.begin()->second;
    watcher->pending.erase(watcher->pending.begin());
    Look(watcher, name, gone);
    if (watcher->ended || watcher->cancelled) return;
  }
  if (had_any || watcher->mark.empty()) Mark(watcher);
}

void GuestWatchHub::Look(const WatcherPtr& watcher, const std::string& name,
                         const GuestRowPtr& gone) {
  const GuestRowPtr row = table_->Find(name);
  v1::WatchGuestsResponse response;
  if (row != nullptr && watcher->watch.wants(*row)) {
    watcher->shown.insert(name);
    *response.mutable_guest() =
        watcher->watch.full ? row->guest : ToBasicView(row->guest);
    watcher->watch.stream->Write(std::move(response));
    return;
  }
  // A client that resumes may have guests from before, which did not change
  // until now. It is told only of what it may see or could have seen.
  const bool had = watcher->shown.erase(name) != 0;
  const bool may_have_had = watcher->maybe_shown.erase(name) != 0;
  const GuestRowPtr& was = row != nullptr ? row : gone;
  const bool could_have_had = watcher->watch.resume.has_value() &&
                              was != nullptr && watcher->watch.sees(*was);
  if (!had && !may_have_had && !could_have_had) return;
  response.set_removed(name);
  watcher->watch.stream->Write(std::move(response));
}

void GuestWatchHub::Mark(const WatcherPtr& watcher) {
  watcher->mark = events_->heads();
  v1::WatchGuestsResponse response;
  response.mutable_progress()->set_resume_token(EncodePositions(watcher->mark));
  const auto snapshot = table_->Snapshot();
  for (const std::string& host : snapshot->unreachable) {
    response.mutable_progress()->add_unreachable(host);
  }
  watcher->watch.stream->Write(std::move(response));
}

void GuestWatchHub::Tick() {
  const std::list<WatcherPtr> watchers = watchers_;
  for (const WatcherPtr& watcher : watchers) {
    Pump(watcher);
    if (watcher->begun && !watcher->ended && !watcher->cancelled &&
        watcher->pending.empty() && watcher->watch.stream->WritePermitted()) {
      Mark(watcher);
    }
  }
  timer_ = loop_->After(EventHub::kMarkInterval, [this] { Tick(); });
}

}  // namespace innkeeper
