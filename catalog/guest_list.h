// ListGuests, at either scope.
#ifndef INNKEEPER_CATALOG_GUEST_LIST_H_
#define INNKEEPER_CATALOG_GUEST_LIST_H_

#include <memory>

#include "absl/status/statusor.h"
#include "auth/permit.h"
#include "catalog/event_hub.h"
#include "catalog/guest_table.h"
#include "catalog/guest_watch_hub.h"
#include "grpcpp/support/byte_buffer.h"
#include "innkeeper/v1/events.pb.h"
#include "innkeeper/v1/guests.pb.h"
#include "rpc/list_query.h"
#include "rpc/page_token.h"
#include "rpc/stream_writer.h"

namespace innkeeper {

// Thread-safe. `table` must outlive it.
class GuestList {
 public:
  // `sealer` must outlive it, too.
  GuestList(GuestTable* table, const PageTokenSealer* sealer);

  // A serialised ListGuestsResponse. INVALID_ARGUMENT (INVALID_FILTER,
  // INVALID_ORDER_BY, INVALID_PAGE_TOKEN).
  absl::StatusOr<grpc::ByteBuffer> List(
      const Permit& permit, const v1::ListGuestsRequest& request) const;

 private:
  GuestTable* const table_;
  const ListQuery query_;
};

// What a watcher of guests is sent. INVALID_ARGUMENT (INVALID_FILTER,
// INVALID_RESUME_TOKEN).
absl::StatusOr<GuestWatch> MakeGuestWatch(
    const Permit& permit, const v1::WatchGuestsRequest& request,
    std::shared_ptr<StreamWriter<v1::WatchGuestsResponse>> stream);

// The same for a watcher of events.
absl::StatusOr<EventWatch> MakeEventWatch(
    const Permit& permit, const v1::WatchEventsRequest& request,
    std::shared_ptr<StreamWriter<v1::WatchEventsResponse>> stream);

}  // namespace innkeeper

#endif  // INNKEEPER_CATALOG_GUEST_LIST_H_
