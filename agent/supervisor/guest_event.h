// Something that happened to a guest, as the event log keeps it.
#ifndef INNKEEPER_AGENT_SUPERVISOR_GUEST_EVENT_H_
#define INNKEEPER_AGENT_SUPERVISOR_GUEST_EVENT_H_

#include <string>

#include "agent/store/store_types.h"

namespace innkeeper {

// The part of an event that the store does not look into.
struct GuestEventPayload {
  std::string guest_uid;
  std::string operation;  // "operations/UUID", or empty.
  std::string caller;     // The principal that asked, or empty.
  std::string message;    // For people; cut at 1,000 bytes.
};

// `payload` as EventRecord::payload.
std::string SerializeEventPayload(const GuestEventPayload& payload);

// Input: from this host's database. What does not parse comes back empty.
GuestEventPayload ParseEventPayload(const std::string& bytes);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_SUPERVISOR_GUEST_EVENT_H_
