// Where the book of contexts tells of every change, once it is durable.
#ifndef INNKEEPER_AGENT_CONTEXT_CONTEXT_FEED_H_
#define INNKEEPER_AGENT_CONTEXT_CONTEXT_FEED_H_

#include <string>
#include <vector>

#include "agent/store/store_types.h"

namespace innkeeper {

// Called on the book's event loop, in the order of the event log. Must return
// soon.
class ContextFeed {
 public:
  virtual ~ContextFeed() = default;

  // These are the ids of all contexts now, sorted, and `events` say what has
  // changed; there are none when the book was loaded.
  virtual void OnContexts(const std::vector<std::string>& ids,
                          const std::vector<EventRecord>& events) = 0;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_CONTEXT_CONTEXT_FEED_H_
