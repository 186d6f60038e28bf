// Brings the events of many logs to many watchers.
#ifndef INNKEEPER_CATALOG_EVENT_HUB_H_
#define INNKEEPER_CATALOG_EVENT_HUB_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/event_loop.h"
#include "catalog/event_history.h"
#include "catalog/position.h"
#include "innkeeper/v1/events.pb.h"
#include "rpc/stream_writer.h"

namespace innkeeper {

// How a watcher gets its events.
struct EventWatch {
  // Where to go on, for a watcher that resumes.
  std::optional<Positions> resume;
  // For one that does not: everything kept, or only what is new.
  bool from_oldest = false;
  // End once everything that was there at the start has been sent.
  bool until_now = false;
  // Whether the watcher may see an event and wants it.
  std::function<bool(const v1::Event&)> wants;
  std::shared_ptr<StreamWriter<v1::WatchEventsResponse>> stream;
};

// A watcher pulls: events wait in the log, not in a queue of its own, so that a
// slow one costs nothing and loses nothing while the log reaches back to where
// it is; after that it is closed with OUT_OF_RANGE (HISTORY_GONE).
//
// SetHead, Publish, Forget and Start may be called from any thread; the rest
// runs on the loop. `history` must outlive the loop's last task.
class EventHub {
 public:
  // Kept in memory for each log.
  static constexpr size_t kWindow = 2048;
  // A progress mark comes at least this often.
  static constexpr absl::Duration kMarkInterval = absl::Seconds(5);
  static constexpr int kMarkEvents = 1000;

  EventHub(EventLoop* loop, EventHistory* history);
  ~EventHub();

  // The log of `host` ends at `head`: what comes now follows it. With another
  // epoch than before, watchers of the old one are told that it is gone.
  void SetHead(const std::string& host, const Position& head);
  // The next event of a log whose head is known.
  void Publish(v1::Event event);
  // The log is no longer watched.
  void Forget(const std::string& host);

  void Start(EventWatch watch);

  // On the loop only: the end of every log that is known.
  Positions heads() const;
  // On the loop only: calls back with the names of the guests that events since
  // `from` are about, as far as `may_see` admits the event; for watches of
  // guests that resume.
  void GuestsSince(const Positions& from,
                   std::function<bool(const v1::Event&)> may_see,
                   Completion<std::vector<std::string>> done);

 private:
  struct Log {
    Position head;
    // Every event after this one is in `window`.
    int64_t window_base = 0;
    std::deque<std::shared_ptr<const v1::WatchEventsResponse>> window;
  };
  struct Watcher;
  using WatcherPtr = std::shared_ptr<Watcher>;

  void StartOnLoop(EventWatch watch);
  void PumpAll();
  void Pump(const WatcherPtr& watcher);
  // False if the watcher waits: for its stream or for the history.
  bool PumpLog(const WatcherPtr& watcher, const std::string& host, Log* log);
  void ReadHistory(const WatcherPtr& watcher, const std::string& host);
  // Sends a page of the history that was read when the log ended at `asked_at`,
  // as far as the hub knows the log by now: what is beyond comes by Publish or
  // SetHead. False if there is nothing to go on with before that.
  bool TakePage(const WatcherPtr& watcher, const std::string& host,
                const Position& asked_at, std::vector<v1::Event> events);
  void Send(const WatcherPtr& watcher,
            const std::shared_ptr<const v1::WatchEventsResponse>& event);
  void Mark(const WatcherPtr& watcher);
  void End(const WatcherPtr& watcher, const absl::Status& status);
  void Tick();

  EventLoop* const loop_;
  EventHistory* const history_;
  std::map<std::string, Log> logs_;
  std::list<WatcherPtr> watchers_;
  EventLoop::TimerId timer_ = 0;
  bool pump_posted_ = false;
};

}  // namespace innkeeper

#endif  // INNKEEPER_CATALOG_EVENT_HUB_H_
