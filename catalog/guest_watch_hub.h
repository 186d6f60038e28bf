// Brings the changes of a table of guests to many watchers.
#ifndef INNKEEPER_CATALOG_GUEST_WATCH_HUB_H_
#define INNKEEPER_CATALOG_GUEST_WATCH_HUB_H_

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "base/event_loop.h"
#include "catalog/event_hub.h"
#include "catalog/guest_table.h"
#include "catalog/position.h"
#include "innkeeper/v1/guests.pb.h"
#include "rpc/stream_writer.h"

namespace innkeeper {

// How a watcher gets guests.
struct GuestWatch {
  std::optional<Positions> resume;
  bool full = false;  // View FULL instead of BASIC.
  // Whether the watcher may see a guest, and whether it wants to.
  std::function<bool(const GuestRow&)> sees;
  std::function<bool(const GuestRow&)> wants;
  // Whether the watcher may know of an event: what it is told of guests that
  // are gone goes by that.
  std::function<bool(const v1::Event&)> may_see;
  std::shared_ptr<StreamWriter<v1::WatchGuestsResponse>> stream;
};

// A watcher has a set of names that are still to be looked at, not a queue of
// changes: a slow one is sent the latest of each guest, and costs no more than
// one name for each. Changed, Start may be called from any thread; the rest
// runs on the loop, which is the one of `events`.
class GuestWatchHub {
 public:
  GuestWatchHub(EventLoop* loop, GuestTable* table, EventHub* events);
  ~GuestWatchHub();

  // The guest of this name was put into the table, changed or taken out, in
  // which case `gone` is what it was. Called before the events that say so are
  // published.
  void Changed(const std::string& name, GuestRowPtr gone = nullptr);
  void Start(GuestWatch watch);

 private:
  struct Watcher;
  using WatcherPtr = std::shared_ptr<Watcher>;

  void StartOnLoop(GuestWatch watch);
  void Begin(const WatcherPtr& watcher);
  void Pump(const WatcherPtr& watcher);
  void Look(const WatcherPtr& watcher, const std::string& name,
            const GuestRowPtr& gone);
  void Mark(const WatcherPtr& watcher);
  void Tick();

  EventLoop* const loop_;
  GuestTable* const table_;
  EventHub* const events_;
  std::list<WatcherPtr> watchers_;
  EventLoop::TimerId timer_ = 0;
};

}  // namespace innkeeper

#endif  // INNKEEPER_CATALOG_GUEST_WATCH_HUB_H_
