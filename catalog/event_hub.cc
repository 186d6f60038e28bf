#include "catalog/event_hub.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/log.h"
#include "base/reason.h"
#include "catalog/resume_token.h"

namespace innkeeper {
namespace {

constexpr int kHistoryPage = 500;

absl::Status HistoryGone(const std::string& host) {
  return Error(absl::StatusCode::kOutOfRange, reason::kHistoryGone,
               absl::StrCat("the events of ", host,
                            " since then are no longer kept; list afresh and "
                            "watch from there"))
      .With("host", host);
}

}  // namespace

struct EventHub::Watcher {
  EventWatch watch;
  Positions cursors;
  // Where a watch with until_now ends.
  Positions ends;
  std::set<std::string> reading;  // Logs whose history is on its way.
  int since_mark = 0;
  absl::Time last_mark;
  bool ended = false;
  std::atomic<bool> cancelled{false};
};

EventHub::EventHub(EventLoop* loop, EventHistory* history)
    : loop_(loop), history_(history) {
  loop_->Post(
      [this] { timer_ = loop_->After(kMarkInterval, [this] { Tick(); }); });
}

EventHub::~EventHub() {
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

void EventHub::SetHead(const std::string& host, const Position& head) {
  loop_->Post([this, host, head] {
    Log& log = logs_[host];
    if (log.head.epoch == head.epoch && log.head.sequence == head.sequence) {
      return PumpAll();
    }
    log.window.clear();
    log.window_base = head.sequence;
    log.head = head;
    PumpAll();
  });
}

void EventHub::Publish(v1::Event event) {
  auto update = std::make_shared<v1::WatchEventsResponse>();
  *update->mutable_event() = std::move(event);
  loop_->Post([this, update = std::shared_ptr<const v1::WatchEventsResponse>(
                         std::move(update))] {
    const v1::Event& published = update->event();
    Log& log = logs_[published.host()];
    if (log.head.epoch != published.epoch()) {
      log = Log();
      log.head.epoch = published.epoch();
      log.window_base = published.sequence() - 1;
    }
    if (published.sequence() <= log.head.sequence) return;
    log.head.sequence = published.sequence();
    log.window.push_back(update);
    if (log.window.size() > kWindow) {
      log.window_base = log.window.front()->event().sequence();
      log.window.pop_front();
    }
    PumpAll();
  });
}

void EventHub::Forget(const std::string& host) {
  loop_->Post([this, host] {
    logs_.erase(host);
    for (const WatcherPtr& watcher : watchers_) {
      watcher->cursors.erase(host);
      watcher->ends.erase(host);
    }
  });
}

Positions EventHub::heads() const {
  Positions heads;
  for (const auto& [host, log] : logs_) heads[host] = log.head;
  return heads;
}

void EventHub::Start(EventWatch watch) {
  loop_->Post([this, watch = std::move(watch)]() mutable {
    StartOnLoop(std::move(watch));
  });
}

void EventHub::StartOnLoop(EventWatch watch) {
  auto watcher = std::make_shared<Watcher>();
  watcher->watch = std::move(watch);
  if (watcher->watch.resume.has_value()) {
    watcher->cursors = *watcher->watch.resume;
  } else if (!watcher->watch.from_oldest) {
    watcher->cursors = heads();
  }
  watcher->ends = heads();
  watchers_.push_back(watcher);
  const std::weak_ptr<Watcher> weak = watcher;
  // Handlers run on the stream's threads, and perhaps inside a write of ours.
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
  Mark(watcher);
  Pump(watcher);
}

void EventHub::PumpAll() {
  // Events come in bursts; the watchers take each burst in one go.
  if (pump_posted_) return;
  pump_posted_ = true;
  loop_->Post([this] {
    pump_posted_ = false;
    const std::list<WatcherPtr> watchers = watchers_;
    for (const WatcherPtr& watcher : watchers) Pump(watcher);
  });
}

void EventHub::Pump(const WatcherPtr& watcher) {
  if (watcher->ended || watcher->cancelled) return;
  bool idle = true;
  for (auto& [host, log] : logs_) {
    idle = PumpLog(watcher, host, &log) && idle;
    if (watcher->ended) return;
  }
  if (!idle || !watcher->watch.until_now) return;
  for (const auto& [host, end] : watcher->ends) {
    if (watcher->cursors[host].sequence < end.sequence) return;
  }
  Mark(watcher);
  End(watcher, absl::OkStatus());
}

bool EventHub::PumpLog(const WatcherPtr& watcher, const std::string& host,
                       Log* log) {
  if (watcher->reading.count(host) != 0) return false;
  const auto known = watcher->cursors.find(host);
  if (known == watcher->cursors.end()) {
    // A log that came up after the watch began, or one that is to be shown
    // whole: from its oldest event.
    if (!watcher->watch.from_oldest && !watcher->watch.resume.has_value()) {
      watcher->cursors[host] = log->head;
      return true;
    }
    watcher->cursors[host] = Position();
    if (log->head.sequence == 0) {
      watcher->cursors[host] = log->head;
      return true;
    }
    ReadHistory(watcher, host);
    return false;
  }
  Position& cursor = known->second;
  if (cursor.epoch.empty()) {
    ReadHistory(watcher, host);
    return false;
  }
  if (cursor.epoch != log->head.epoch || cursor.sequence > log->head.sequence) {
    End(watcher, HistoryGone(host));
    return false;
  }
  if (cursor.sequence == log->head.sequence) return true;
  if (cursor.sequence < log->window_base) {
    ReadHistory(watcher, host);
    return false;
  }
  auto next =
      std::upper_bound(log->window.begin(), log->window.end(), cursor.sequence,
                       [](int64_t sequence, const auto& update) {
                         return sequence < update->event().sequence();
                       });
  for (; next != log->window.end(); ++next) {
    if (!watcher->watch.stream->WritePermitted()) return false;
    Send(watcher, *next);
    cursor.sequence = (*next)->event().sequence();
    if (watcher->since_mark >= kMarkEvents) Mark(watcher);
    if (watcher->ended || watcher->cancelled) return false;
  }
  return true;
}

void EventHub::ReadHistory(const WatcherPtr& watcher, const std::string& host) {
  if (!watcher->watch.stream->WritePermitted()) return;
  watcher->reading.insert(host);
  const std::weak_ptr<Watcher> weak = watcher;
  history_->Read(
      host, watcher->cursors[host], kHistoryPage,
      [this, weak, host,
       head = logs_[host].head](absl::StatusOr<std::vector<v1::Event>> events) {
        loop_->Post(
            [this, weak, host, head, events = std::move(events)]() mutable {
              const WatcherPtr reader = weak.lock();
              if (reader == nullptr || reader->ended) return;
              reader->reading.erase(host);
              if (absl::IsOutOfRange(events.status())) {
                return End(reader, events.status());
              }
              // A host that does not answer now is asked again at the next
              // tick.
              if (!events.ok()) {
                return LogWarning(
                    "events.history",
                    {{"host", host}, {"error", events.status().message()}});
              }
              if (TakePage(reader, host, head, *std::move(events))) {
                Pump(reader);
              }
            });
      });
}

bool EventHub::TakePage(const WatcherPtr& watcher, const std::string& host,
                        const Position& asked_at,
                        std::vector<v1::Event> events) {
  const auto log = logs_.find(host);
  if (log == logs_.end()) return true;
  const Position& head = log->second.head;
  Position& cursor = watcher->cursors[host];
  if (head.epoch != asked_at.epoch) {
    // The log was begun anew meanwhile: asked again from wherever it is now.
    return true;
  }
  // Nothing is kept of what was there when it was asked for. What has come
  // since then is still to be sent.
  if (events.empty()) cursor = asked_at;
  for (v1::Event& event : events) {
    // The host is a little ahead of what it has told the hub, by an event, or
    // by a log that it has begun anew. It tells of that soon.
    if (event.epoch() != head.epoch) return false;
    if (event.sequence() > head.sequence) {
      cursor = head;
      break;
    }
    cursor.epoch = event.epoch();
    cursor.sequence = event.sequence();
    auto update = std::make_shared<v1::WatchEventsResponse>();
    *update->mutable_event() = std::move(event);
    Send(watcher, std::move(update));
    if (watcher->since_mark >= kMarkEvents) Mark(watcher);
  }
  return true;
}

void EventHub::Send(
    const WatcherPtr& watcher,
    const std::shared_ptr<const v1::WatchEventsResponse>& event) {
  ++watcher->since_mark;
  if (!watcher->watch.wants(event->event())) return;
  watcher->watch.stream->WriteShared(event);
}

void EventHub::Mark(const WatcherPtr& watcher) {
  watcher->since_mark = 0;
  watcher->last_mark = absl::Now();
  v1::WatchEventsResponse response;
  response.mutable_progress()->set_resume_token(
      EncodePositions(watcher->cursors));
  watcher->watch.stream->Write(std::move(response));
}

void EventHub::End(const WatcherPtr& watcher, const absl::Status& status) {
  if (watcher->ended) return;
  watcher->ended = true;
  watcher->watch.stream->Finish(status);
  watchers_.remove(watcher);
}

void EventHub::Tick() {
  const std::list<WatcherPtr> watchers = watchers_;
  for (const WatcherPtr& watcher : watchers) {
    Pump(watcher);
    if (!watcher->ended && watcher->watch.stream->WritePermitted()) {
      Mark(watcher);
    }
  }
  timer_ = loop_->After(kMarkInterval, [this] { Tick(); });
}

void EventHub::GuestsSince(const Positions& from,
                           std::function<bool(const v1::Event&)> may_see,
                           Completion<std::vector<std::string>> done) {
  struct Gather {
    std::set<std::string> guests;
    int pending = 1;
    absl::Status status;
    std::function<bool(const v1::Event&)> may_see;
    Completion<std::vector<std::string>> done;
  };
  auto gather = std::make_shared<Gather>();
  gather->may_see = std::move(may_see);
  gather->done = std::move(done);
  const auto arrive = [gather] {
    if (--gather->pending > 0) return;
    if (!gather->status.ok()) return gather->done(gather->status);
    gather->done(
        std::vector<std::string>(gather->guests.begin(), gather->guests.end()));
  };
  // Reads one log page after page.
  struct Reader {
    static void Run(EventHub* hub, std::shared_ptr<Gather> gather,
                    const std::string& host, Position at, const Position& end,
                    const std::function<void()>& arrive) {
      if (at.sequence >= end.sequence) return arrive();
      hub->history_->Read(
          host, at, kHistoryPage,
          [hub, gather, host, at, end,
           arrive](absl::StatusOr<std::vector<v1::Event>> events) mutable {
            hub->loop_->Post([hub, gather, host, at, end, arrive,
                              events = std::move(events)]() mutable {
              if (!events.ok()) {
                gather->status = events.status();
                return arrive();
              }
              if (events->empty()) return arrive();
              for (const v1::Event& event : *events) {
                if (!event.guest().empty() && gather->may_see(event)) {
                  gather->guests.insert(event.guest());
                }
                at.epoch = event.epoch();
                at.sequence = event.sequence();
              }
              Run(hub, gather, host, at, end, arrive);
            });
          });
    }
  };
  for (const auto& [host, log] : logs_) {
    // A log that came up since then is read from its oldest event.
    Position at;
    const auto position = from.find(host);
    if (position != from.end()) {
      at = position->second;
      if (at.epoch != log.head.epoch || at.sequence > log.head.sequence) {
        gather->status = HistoryGone(host);
        continue;
      }
    }
    ++gather->pending;
    Reader::Run(this, gather, host, at, log.head, arrive);
  }
  arrive();
}

}  // namespace innkeeper
