// What the agent's store holds beside guests.
#ifndef INNKEEPER_AGENT_STORE_STORE_TYPES_H_
#define INNKEEPER_AGENT_STORE_STORE_TYPES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "agent/context/context_record.h"
#include "agent/guest/guest_record.h"

namespace innkeeper {

// One long-running operation. The store does not look into the bytes.
struct OperationRecord {
  std::string name;      // "operations/UUID"
  std::string method;    // "innkeeper.v1.Guests/LaunchGuest"
  std::string caller;    // "user/operator"
  std::string guest;     // Id of the guest it is about; may be empty.
  std::string owner;     // Of that guest, "user/tenant-a"; may be empty.
  std::string metadata;  // Serialised google.protobuf.Any
  std::string result;    // Serialised google.protobuf.Any; empty until done.
  std::string error;     // Serialised google.rpc.Status; empty: none.
  bool done = false;
  absl::Time create_time = absl::UnixEpoch();
  absl::Time update_time = absl::UnixEpoch();
};

// That a caller's request was taken, so that a retry gets the first answer.
struct LedgerEntry {
  std::string caller;
  std::string method;
  std::string request_id;
  std::string body_sha256;  // 32 bytes, of the request's canonical bytes.
  std::string operation;    // Name of the operation it began; or empty, and
  std::string response;     // the serialised answer, empty until there is one.
  absl::Time create_time = absl::UnixEpoch();
};

// One fact that happened to a guest or to the host.
struct EventRecord {
  int64_t sequence = 0;  // Given by the store; increases by one or more.
  absl::Time time = absl::UnixEpoch();
  std::string guest;    // Id; may be empty.
  std::string owner;    // "user/tenant-a"; may be empty.
  std::string type;     // "guest.started"
  std::string payload;  // The store does not look into it.
};

// What is written together or not at all.
struct Change {
  // A record's revision must be the stored one plus 1 (1: there is none).
  std::vector<GuestRecord> put_guests;
  std::vector<std::string> delete_guests;    // Ids; absent ones are no fault.
  std::vector<ContextRecord> put_contexts;   // New or replaced, by id.
  std::vector<std::string> delete_contexts;  // Ids; absent ones are no fault.
  std::vector<OperationRecord> put_operations;  // New or replaced, by name.
  // The request that causes this change. If it was taken before, nothing of
  // the change is done.
  std::optional<LedgerEntry> ledger;
  // Replaces the operation and response of an entry that is there.
  std::optional<LedgerEntry> ledger_answer;
  std::vector<EventRecord> events;  // Appended in this order.
};

struct CommitResult {
  // Of `Change::events`, in their order.
  std::vector<int64_t> sequences;
  // Set if `Change::ledger` was taken before with the same body: the change
  // was not done, and this is the entry that stands.
  std::optional<LedgerEntry> earlier;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_STORE_STORE_TYPES_H_
