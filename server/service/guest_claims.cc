#include "server/service/guest_claims.h"

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/error.h"
#include "base/log.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "server/placement/reservations.h"
#include "server/service/guest_record_storage.pb.h"
#include "server/store/keys.h"

namespace innkeeper {
namespace {

constexpr int kMaxTries = 20;

using server::service::v1::GuestRecord;

absl::StatusOr<GuestClaim> Parse(const KeyValue& kv) {
  GuestRecord record;
  const std::optional<std::string> id = keys::IdIn(keys::kGuests, kv.key);
  if (!id.has_value() || !record.ParseFromString(kv.value)) {
    return Error(absl::StatusCode::kDataLoss, reason::kInternal,
                 absl::StrCat(kv.key, " in the store cannot be read"))
        .With("key", kv.key)
        .Build();
  }
  return GuestClaim{*id, record.uid(), record.owner(), record.host()};
}

}  // namespace

absl::Status GuestClaims::Load() {
  ASSIGN_OR_RETURN(const ListResult stored, store_->ListAll(keys::kGuests));
  for (const KeyValue& kv : stored.kvs) {
    const absl::StatusOr<GuestClaim> claim = Parse(kv);
    if (claim.ok()) {
      Learn(*claim);
    } else {
      // One that cannot be read must not keep the server from its others.
      LogError("guest.claim_unreadable", {{"key", kv.key}});
    }
  }
  return absl::OkStatus();
}

void GuestClaims::Learn(const GuestClaim& claim) {
  inventory_->ClaimId(claim.guest, claim.uid);
}

void GuestClaims::Forget(absl::string_view guest, absl::string_view uid) {
  inventory_->UnclaimId(guest, uid);
}

absl::Status GuestClaims::CheckFree(absl::string_view guest) const {
  ASSIGN_OR_RETURN(const GetResult stored, store_->Get(keys::Guest(guest)));
  const std::string name = absl::StrCat("guests/", guest);
  if (!stored.kv.has_value() && inventory_->table().Find(name) == nullptr) {
    return absl::OkStatus();
  }
  return Error(absl::StatusCode::kAlreadyExists, reason::kGuestExists,
               absl::StrCat("the guest id '", guest,
                            "' is in use; choose another"))
      .With("guest", name);
}

Txn GuestClaims::MakeClaim(const GuestClaim& claim) {
  GuestRecord record;
  record.set_uid(claim.uid);
  record.set_owner(claim.owner);
  record.set_host(claim.host);
  const std::string key = keys::Guest(claim.guest);
  Txn txn;
  return txn.IfAbsent(key).PutKey(key, record.SerializeAsString());
}

absl::StatusOr<Txn> GuestClaims::MakeRelease(absl::string_view guest,
                                             absl::string_view uid) const {
  const std::string key = keys::Guest(guest);
  ASSIGN_OR_RETURN(const GetResult stored, store_->Get(key));
  ASSIGN_OR_RETURN(const ReservationView view,
                   ReservationView::Read(store_, inventory_->Observe()));
  Txn txn = view.MakeRelease(uid);
  if (!stored.kv.has_value()) return txn;
  ASSIGN_OR_RETURN(const GuestClaim claim, Parse(*stored.kv));
  if (claim.uid == uid) {
    txn.IfModRevision(key, stored.kv->mod_revision).DeleteKey(key);
  }
  return txn;
}

absl::Status GuestClaims::Release(absl::string_view guest,
                                  absl::string_view uid) {
  for (int i = 0; i < kMaxTries; ++i) {
    ASSIGN_OR_RETURN(const Txn txn, MakeRelease(guest, uid));
    if (txn.puts.empty() && txn.deletes.empty()) {
      Forget(guest, uid);
      return absl::OkStatus();
    }
    const absl::StatusOr<TxnResult> result = store_->Commit(txn);
    // Of an unknown outcome the next look says what is left to do.
    if (!result.ok() && !IsOutcomeUnknown(result.status())) {
      return result.status();
    }
  }
  return Error(absl::StatusCode::kAborted, reason::kStoreConflict,
               absl::StrCat("what guest '", guest,
                            "' had could not be given up: too many changes at "
                            "once; try again"))
      .With("guest", guest);
}

absl::StatusOr<std::vector<GuestClaim>> GuestClaims::OnHost(
    absl::string_view host) const {
  ASSIGN_OR_RETURN(const ListResult stored, store_->ListAll(keys::kGuests));
  std::vector<GuestClaim> claims;
  for (const KeyValue& kv : stored.kvs) {
    ASSIGN_OR_RETURN(GuestClaim claim, Parse(kv));
    if (claim.host == host) claims.push_back(std::move(claim));
  }
  return claims;
}

}  // namespace innkeeper
