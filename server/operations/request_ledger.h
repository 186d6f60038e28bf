// Makes retries safe: a request id that a caller has used for a method gets the
// first answer again, for 24 hours.
#ifndef INNKEEPER_SERVER_OPERATIONS_REQUEST_LEDGER_H_
#define INNKEEPER_SERVER_OPERATIONS_REQUEST_LEDGER_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "server/store/store.h"

namespace innkeeper {

// One mutation that a caller asks for.
struct RequestKey {
  std::string caller;      // "user/tenant-a"
  std::string method;      // "innkeeper.v1.Guests/LaunchGuest"
  std::string request_id;  // Empty: the caller wants no safe retry.
  std::string body;        // The request's bytes; the ledger keeps their hash.
};

// What was answered.
struct RequestAnswer {
  std::string operation;  // Name of the operation that was begun; or empty,
  std::string response;   // and the answer's bytes.
};

// What the ledger knows of one RequestKey.
struct RequestSlot {
  // The first answer, to be given again. Empty: the request is new.
  std::optional<RequestAnswer> answer;
  // In the store, of an entry too old to count; 0: there is none.
  int64_t mod_revision = 0;
};

// The use of it:
//
//   slot = Find(key); if (slot.answer) return it.
//   Commit the work's Txn with MakeEntry(key, slot, answer) appended.
//   If a compare failed, Find again: another retry may have been faster.
//
// Thread-safe. Does not own the store.
class RequestLedger {
 public:
  RequestLedger(Store* store, const Clock* clock,
                absl::Duration life = absl::Hours(24))
      : store_(store), clock_(clock), life_(life) {}

  // Blocks. Always new without a request id.
  // INVALID_ARGUMENT (REQUEST_ID_REUSED): the id was used for another body.
  // Errors of Store::Get; DATA_LOSS (INTERNAL) if the entry cannot be read.
  absl::StatusOr<RequestSlot> Find(const RequestKey& key) const;

  // What records that `key` was answered with `answer`. Its compare fails if
  // anyone else recorded the same key since `slot` was found. Empty without a
  // request id.
  Txn MakeEntry(const RequestKey& key, const RequestSlot& slot,
                const RequestAnswer& answer) const;

  // Deletes the entries that are too old to count. Blocks. Errors of the
  // store, some of the entries being deleted.
  absl::Status CollectGarbage() const;

 private:
  Store* const store_;
  const Clock* const clock_;
  const absl::Duration life_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_SERVER_OPERATIONS_REQUEST_LEDGER_H_
