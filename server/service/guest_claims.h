// Which guest has which id, and what is reserved for it.
#ifndef INNKEEPER_SERVER_SERVICE_GUEST_CLAIMS_H_
#define INNKEEPER_SERVER_SERVICE_GUEST_CLAIMS_H_

#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/inventory/inventory.h"
#include "server/store/store.h"

namespace innkeeper {

// Who holds an id.
struct GuestClaim {
  std::string guest;  // The id.
  std::string uid;
  std::string owner;
  std::string host;  // "h1"
};

// Thread-safe; everything but MakeClaim blocks on the store and may fail as it
// does. The pointers must outlive it.
class GuestClaims {
 public:
  GuestClaims(Store* store, Inventory* inventory)
      : store_(store), inventory_(inventory) {}

  // Tells the inventory of every claim in the store; before any host.
  absl::Status Load();
  // Tells it of one that was committed, or given up with a Txn of MakeRelease.
  // Does not block.
  void Learn(const GuestClaim& claim);
  void Forget(absl::string_view guest, absl::string_view uid);

  // ALREADY_EXISTS (GUEST_EXISTS) if the id is in use, in the store or on a
  // host.
  absl::Status CheckFree(absl::string_view guest) const;

  // What takes an id; its compare fails if it is taken.
  static Txn MakeClaim(const GuestClaim& claim);

  // What gives up the id and the reservation of the guest `uid`; empty if there
  // is nothing to give up.
  absl::StatusOr<Txn> MakeRelease(absl::string_view guest,
                                  absl::string_view uid) const;
  // Commits MakeRelease, and forgets.
  absl::Status Release(absl::string_view guest, absl::string_view uid);

  // The claims of guests on `host`.
  absl::StatusOr<std::vector<GuestClaim>> OnHost(absl::string_view host) const;

 private:
  Store* const store_;
  Inventory* const inventory_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_SERVER_SERVICE_GUEST_CLAIMS_H_
