// The events that are no longer in memory.
#ifndef INNKEEPER_CATALOG_EVENT_HISTORY_H_
#define INNKEEPER_CATALOG_EVENT_HISTORY_H_

#include <string>
#include <vector>

#include "base/completion.h"
#include "catalog/position.h"
#include "innkeeper/v1/events.pb.h"

namespace innkeeper {

// Thread-safe.
class EventHistory {
 public:
  virtual ~EventHistory() = default;

  // The events of `host` after `after`, in order, at most `limit`. With an
  // empty epoch: the oldest ones. OUT_OF_RANGE (HISTORY_GONE) if some since
  // then are no longer kept; UNAVAILABLE (HOST_UNREACHABLE). `done` may run on
  // any thread, also inside the call.
  virtual void Read(const std::string& host, const Position& after, int limit,
                    Completion<std::vector<v1::Event>> done) = 0;
};

}  // namespace innkeeper

#endif  // INNKEEPER_CATALOG_EVENT_HISTORY_H_
