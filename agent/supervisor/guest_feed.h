// Where the supervisor tells of every change, once it is durable.
#ifndef INNKEEPER_AGENT_SUPERVISOR_GUEST_FEED_H_
#define INNKEEPER_AGENT_SUPERVISOR_GUEST_FEED_H_

#include <string>
#include <vector>

#include "agent/guest/guest_record.h"
#include "agent/store/store_types.h"

namespace innkeeper {

// Called on the supervisor's event loop, in the order of the event log. Must
// return soon.
class GuestFeed {
 public:
  virtual ~GuestFeed() = default;

  // A guest is new or has changed, and `events` say how. `events` may be empty:
  // `unresponsive` alone is not part of the record. `operation` is the one that
  // is changing it, or empty.
  virtual void OnGuest(const GuestRecord& guest, bool unresponsive,
                       const std::string& operation,
                       const std::vector<EventRecord>& events) = 0;
  virtual void OnGuestRemoved(const GuestRecord& guest,
                              const std::vector<EventRecord>& events) = 0;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_SUPERVISOR_GUEST_FEED_H_
