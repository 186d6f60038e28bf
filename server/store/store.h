// The cluster's memory: an ordered key-value store with revisions, modelled on
// etcd v3 so that etcd can be one of its implementations. Keys and values are
// bytes; keys are ordered by their bytes.
//
// Revisions. The store counts its changes: each Txn that changes anything gets
// the next revision, and every key that it writes gets that number as its
// mod_revision. An empty store is at revision 0. A revision is never given
// twice, not even after a restart.
//
// Consistency. Commit is atomic, durable and linearizable: when it answers, a
// read that starts later on any thread sees the change, and a crash of the
// process or the machine does not undo it. Get and List each answer from one
// revision, which they name.
//
// Unknown outcomes. Commit may fail with UNKNOWN, reason
// STORE_OUTCOME_UNKNOWN: the change was made, or will be made a moment later,
// or never. The caller must READ BACK before it goes on, and never repeat the
// Txn blindly: the first may have been applied, and another writer may have
// built on it since. A Txn is made fit for that by compares that fail once it
// has been applied (IfUnchanged on a key that it writes) and by a value that
// tells this writer's Txn from any other's (a UUID in the record).
// Read-back, then: the own value is there: done. The compared revisions still
// stand: commit the same Txn again (should the first be applied after all, the
// compares let only one of the two through). Anything else: start afresh from
// what was read.
// Every other error of Commit says that nothing was written.
//
// Leases are not part of the contract yet: nothing in the cluster is held by a
// lease until a server can fail over, and what no caller uses no conformance
// suite can pin down.
#ifndef INNKEEPER_SERVER_STORE_STORE_H_
#define INNKEEPER_SERVER_STORE_STORE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/store/txn.h"

namespace innkeeper {

struct GetResult {
  std::optional<KeyValue> kv;  // Empty: the key is absent.
  int64_t revision = 0;        // Of the store when it was read.
};

struct ListResult {
  std::vector<KeyValue> kvs;  // Ordered by key.
  int64_t revision = 0;       // Of the store when it was read.
  bool more = false;          // `limit` cut the list short.
};

// One key's change.
struct StoreEvent {
  enum class Type { kPut, kDelete };

  Type type = Type::kPut;
  // Of a delete: the key, an empty value and the revision of the delete.
  KeyValue kv;
};

// What one revision changed beneath the watched prefix; never empty, and never
// split over two batches.
struct WatchBatch {
  int64_t revision = 0;
  std::vector<StoreEvent> events;  // Ordered by key.
};

// Called with one batch after the other, revisions ascending, none left out or
// repeated; or once with the error that ended the watch, after which it is not
// called again.
//
// Runs on a thread of the store, with no lock held, never twice at once for
// one watch. It may call the store and destroy its own Watch. While it runs
// other watches may wait: it hands work on rather than doing it.
using WatchCallback = absl::AnyInvocable<void(absl::StatusOr<WatchBatch>)>;

// A running watch. Its destruction ends the watch and waits for a call that is
// under way, except from within that very call; so hold no lock that the
// callback takes. Must not outlive its Store.
class Watch {
 public:
  virtual ~Watch() = default;
};

// Thread-safe. Every method but StartWatch may block on disk or network; none
// may be called on an event loop.
//
// Every method may also fail with UNAVAILABLE (STORE_UNAVAILABLE): the store
// cannot be reached or its disk is full; try again later. DATA_LOSS
// (INTERNAL): the store is damaged.
class Store {
 public:
  virtual ~Store() = default;

  virtual absl::StatusOr<GetResult> Get(absl::string_view key) = 0;

  // Up to `limit` (0: all) keys that start with `prefix` (empty: every key)
  // and sort after `start_after` (empty: from the first). Successive pages are
  // read at successive revisions: to follow a prefix without a gap, read it
  // whole (ListAll) and watch it from `revision` + 1.
  virtual absl::StatusOr<ListResult> List(absl::string_view prefix,
                                          int64_t limit,
                                          absl::string_view start_after) = 0;
  absl::StatusOr<ListResult> ListAll(absl::string_view prefix) {
    return List(prefix, 0, "");
  }

  // Writes all of `txn` if all its compares hold, else nothing.
  //
  // A failed compare is an answer (TxnResult), not an error.
  // INVALID_ARGUMENT (INVALID_REQUEST): `txn` is malformed; see ValidateTxn.
  // UNKNOWN (STORE_OUTCOME_UNKNOWN): see the top of this file.
  virtual absl::StatusOr<TxnResult> Commit(const Txn& txn) = 0;

  // Calls `callback` for every change of keys that start with `prefix` at
  // revision `from_revision` or later; 0: after the present one. Does not
  // block; the first call may come before it returns. Errors reach the
  // callback:
  //
  // OUT_OF_RANGE (REVISION_COMPACTED): `from_revision`, or what a slow
  // callback has yet to see, is no longer kept. List again, then watch.
  // UNAVAILABLE (STORE_UNAVAILABLE): the connection to the store is gone.
  virtual std::unique_ptr<Watch> StartWatch(absl::string_view prefix,
                                            int64_t from_revision,
                                            WatchCallback callback) = 0;

  // Forgets the changes before `revision`; present keys stay. A watch can no
  // longer start before it. OK if already compacted further.
  // INVALID_ARGUMENT (INVALID_REQUEST) if `revision` is in the future.
  virtual absl::Status Compact(int64_t revision) = 0;
};

// Whether `status`, an answer of Commit, leaves open what was written.
bool IsOutcomeUnknown(const absl::Status& status);

}  // namespace innkeeper

#endif  // INNKEEPER_SERVER_STORE_STORE_H_
