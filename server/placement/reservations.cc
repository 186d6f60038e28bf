#include "server/placement/reservations.h"

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "server/placement/reservation_ledger.pb.h"
#include "server/store/keys.h"
#include "server/store/settled_commit.h"

namespace innkeeper {
namespace {

constexpr int kMaxTries = 100;
// Leaves room in a Txn for the compares of its other parts.
constexpr int kMaxAgentsOnMachine = 90;

absl::Status ConflictError(absl::string_view guest_uid) {
  return Error(
             absl::StatusCode::kAborted, reason::kStoreConflict,
             absl::StrCat("too many others reserve capacity at once; guest ",
                          guest_uid, " lost ", kMaxTries, " times: try again"))
      .With("uid", guest_uid);
}

}  // namespace

absl::StatusOr<ReservationView::Ledger> ReservationView::ParseLedger(
    const KeyValue& kv) {
  server::storage::ReservationLedger stored;
  if (!stored.ParseFromString(kv.value)) {
    return Error(absl::StatusCode::kDataLoss, reason::kInternal,
                 absl::StrCat("the value of store key '",
                              absl::CHexEscape(kv.key),
                              "' is no ledger of reservations"))
        .With("key", kv.key);
  }
  Ledger ledger;
  ledger.mod_revision = kv.mod_revision;
  for (const auto& reservation : stored.reservations()) {
    ledger.reservations[reservation.guest_uid()] = {reservation.memory_bytes(),
                                                    reservation.vcpus()};
  }
  return ledger;
}

std::string ReservationView::SerializeLedger(const Ledger& ledger) {
  server::storage::ReservationLedger stored;
  for (const auto& [uid, needs] : ledger.reservations) {
    auto* reservation = stored.add_reservations();
    reservation->set_guest_uid(uid);
    reservation->set_memory_bytes(needs.memory_bytes);
    reservation->set_vcpus(needs.vcpus);
  }
  return stored.SerializeAsString();
}

absl::StatusOr<ReservationView> ReservationView::Read(
    Store* store, std::vector<ObservedHost> hosts) {
  ASSIGN_OR_RETURN(const ListResult stored,
                   store->ListAll(keys::kReservations));
  ReservationView view;
  for (const KeyValue& kv : stored.kvs) {
    ASSIGN_OR_RETURN(Ledger ledger, ParseLedger(kv));
    const auto host = keys::IdIn(keys::kReservations, kv.key);
    if (host.has_value()) view.ledgers_[*host] = std::move(ledger);
  }
  for (ObservedHost& observed : hosts) {
    HostView& host = view.hosts_.emplace_back(std::move(observed.view));
    host.used = Capacity();
    for (const auto& [uid, needs] : view.ledgers_[host.name].reservations) {
      observed.guests[uid] = needs;
    }
    for (const auto& [uid, needs] : observed.guests) host.used += needs;
  }
  return view;
}

std::optional<std::string> ReservationView::FindHost(
    absl::string_view guest_uid) const {
  for (const auto& [host, ledger] : ledgers_) {
    if (ledger.reservations.find(guest_uid) != ledger.reservations.end()) {
      return host;
    }
  }
  return std::nullopt;
}

absl::StatusOr<Txn> ReservationView::MakeReservation(
    absl::string_view host, absl::string_view guest_uid,
    const Capacity& needs) const {
  const auto chosen =
      std::find_if(hosts_.begin(), hosts_.end(),
                   [&](const HostView& view) { return view.name == host; });
  if (chosen == hosts_.end()) {
    return Error(absl::StatusCode::kNotFound, reason::kHostNotFound,
                 absl::StrCat("host '", host, "' does not exist"))
        .With("host", host);
  }
  Txn txn;
  for (const HostView& other : hosts_) {
    if (!OnOneMachine(*chosen, other)) continue;
    txn.IfUnchanged(keys::Reservation(other.name),
                    ledgers_.find(other.name)->second.mod_revision);
  }
  if (txn.compares.size() > kMaxAgentsOnMachine) {
    return Error(absl::StatusCode::kInvalidArgument, reason::kInvalidRequest,
                 absl::StrCat("the machine of host '", host, "' has ",
                              txn.compares.size(), " agents; at most ",
                              kMaxAgentsOnMachine, " can share one"))
        .With("host", host);
  }
  Ledger ledger = ledgers_.find(host)->second;
  ledger.reservations[std::string(guest_uid)] = needs;
  txn.PutKey(keys::Reservation(host), SerializeLedger(ledger));
  return txn;
}

Txn ReservationView::MakeRelease(absl::string_view guest_uid) const {
  Txn txn;
  for (const auto& [host, ledger] : ledgers_) {
    if (ledger.reservations.find(guest_uid) == ledger.reservations.end()) {
      continue;
    }
    Ledger rest = ledger;
    rest.reservations.erase(rest.reservations.find(guest_uid));
    const std::string key = keys::Reservation(host);
    txn.IfUnchanged(key, ledger.mod_revision);
    if (rest.reservations.empty()) {
      txn.DeleteKey(key);
    } else {
      txn.PutKey(key, SerializeLedger(rest));
    }
  }
  return txn;
}

absl::StatusOr<std::string> Reservations::Reserve(
    const PlacementRequest& request, absl::string_view guest_uid,
    Observe observe) {
  return Reserve(request, guest_uid, observe,
                 [](absl::string_view) { return Txn(); });
}

absl::StatusOr<std::string> Reservations::Reserve(
    const PlacementRequest& request, absl::string_view guest_uid,
    Observe observe, MakeCompanion companion) {
  for (int tries = 0; tries < kMaxTries; ++tries) {
    ASSIGN_OR_RETURN(std::vector<ObservedHost> hosts, observe());
    ASSIGN_OR_RETURN(const ReservationView view,
                     ReservationView::Read(store_, std::move(hosts)));
    const std::optional<std::string> held = view.FindHost(guest_uid);
    if (held.has_value()) return *held;
    const Placement placement = Place(request, view.hosts());
    if (!placement.host.has_value()) return NoHostFits(request, placement);
    ASSIGN_OR_RETURN(Txn txn, view.MakeReservation(*placement.host, guest_uid,
                                                   request.needs));
    ASSIGN_OR_RETURN(Txn rest, companion(*placement.host));
    txn.Append(std::move(rest));
    INNKEEPER_FAILPOINT("server.reserve.before_commit");
    // Whether an earlier try was applied is found by the next look, too.
    ASSIGN_OR_RETURN(
        const TxnResult result,
        CommitSettled(store_, txn, keys::Reservation(*placement.host),
                      [](const std::optional<KeyValue>&) { return false; }));
    INNKEEPER_FAILPOINT("server.reserve.after_commit");
    if (result.committed) return *placement.host;
  }
  return ConflictError(guest_uid);
}

absl::Status Reservations::Release(absl::string_view guest_uid) {
  for (int tries = 0; tries < kMaxTries; ++tries) {
    ASSIGN_OR_RETURN(const ReservationView view,
                     ReservationView::Read(store_, {}));
    const Txn txn = view.MakeRelease(guest_uid);
    if (txn.compares.empty()) return absl::OkStatus();
    ASSIGN_OR_RETURN(
        const TxnResult result,
        CommitSettled(store_, txn, txn.compares[0].key,
                      [](const std::optional<KeyValue>&) { return false; }));
    if (result.committed) return absl::OkStatus();
  }
  return ConflictError(guest_uid);
}

}  // namespace innkeeper
