// Reserves capacity of hosts for guests, by compare-and-swap in the store, so
// that any number of servers never promise the same memory twice.
//
// Each host has a ledger in the store: guest uid → what is reserved. A
// reservation lasts from before the launch until the guest needs no capacity
// any more, whoever restarts meanwhile. It is written by a Txn that compares
// the ledgers of all hosts on the machine, so of two that race for the same
// room one fails and looks again.
#ifndef INNKEEPER_SERVER_PLACEMENT_RESERVATIONS_H_
#define INNKEEPER_SERVER_PLACEMENT_RESERVATIONS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/placement/capacity.h"
#include "server/placement/placer.h"
#include "server/store/store.h"

namespace innkeeper {

// A host as it is seen, before reservations are counted.
struct ObservedHost {
  HostView view;  // `used` is not read.
  // What the guests that the host reports have, by uid. A guest that also has
  // a reservation counts once, with what is reserved.
  std::map<std::string, Capacity> guests;
};

// Hosts and ledgers at one revision of the store. A value; not thread-safe.
class ReservationView {
 public:
  // Reads the ledgers; blocks. Errors as Store::List; DATA_LOSS (INTERNAL) if
  // a ledger cannot be read.
  static absl::StatusOr<ReservationView> Read(Store* store,
                                              std::vector<ObservedHost> hosts);

  // The hosts, `used` being filled in.
  const std::vector<HostView>& hosts() const { return hosts_; }

  // The host on which `guest_uid` has a reservation.
  std::optional<std::string> FindHost(absl::string_view guest_uid) const;

  // What reserves `needs` on `host` for `guest_uid`; to be committed alone or
  // with other parts. If a compare fails, read again and place again.
  // NOT_FOUND (HOST_NOT_FOUND): `host` is not in the view.
  // INVALID_ARGUMENT (INVALID_REQUEST): the machine has more than 90 agents.
  absl::StatusOr<Txn> MakeReservation(absl::string_view host,
                                      absl::string_view guest_uid,
                                      const Capacity& needs) const;

  // What gives the reservation of `guest_uid` up; empty if it has none.
  Txn MakeRelease(absl::string_view guest_uid) const;

 private:
  struct Ledger {
    int64_t mod_revision = 0;  // 0: not in the store yet.
    std::map<std::string, Capacity, std::less<>> reservations;
  };

  ReservationView() = default;
  static absl::StatusOr<Ledger> ParseLedger(const KeyValue& kv);
  static std::string SerializeLedger(const Ledger& ledger);

  std::vector<HostView> hosts_;
  std::map<std::string, Ledger, std::less<>> ledgers_;  // By host.
};

// Thread-safe. Does not own the store.
class Reservations {
 public:
  explicit Reservations(Store* store) : store_(store) {}

  // Gives the hosts as they are now; called again before each try.
  using Observe =
      absl::FunctionRef<absl::StatusOr<std::vector<ObservedHost>>()>;

  // Makes what is to be committed with a reservation on `host`, if anything.
  // A compare of it that fails leads to another try, so it says by an error
  // what no further try can mend (an id in use, a request seen before).
  using MakeCompanion =
      absl::FunctionRef<absl::StatusOr<Txn>(absl::string_view host)>;

  // Places `request` and reserves its needs for `guest_uid`; the host that
  // won. Looks and tries again while others are faster, 100 times at most. If
  // `guest_uid` has a reservation it is kept and its host returned, and
  // nothing is committed: what was asked for has happened before. Blocks.
  //
  // Errors of NoHostFits, `observe`, `companion` and the store, and:
  // ABORTED (STORE_CONFLICT): too many others at once; try again.
  // UNKNOWN (STORE_OUTCOME_UNKNOWN): a reservation may or may not have been
  // made; call again with the same uid to learn which.
  absl::StatusOr<std::string> Reserve(const PlacementRequest& request,
                                      absl::string_view guest_uid,
                                      Observe observe, MakeCompanion companion);
  absl::StatusOr<std::string> Reserve(const PlacementRequest& request,
                                      absl::string_view guest_uid,
                                      Observe observe);

  // Gives up what `guest_uid` has reserved; OK if that is nothing. Blocks.
  // Errors as Reserve.
  absl::Status Release(absl::string_view guest_uid);

 private:
  Store* const store_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_SERVER_PLACEMENT_RESERVATIONS_H_
