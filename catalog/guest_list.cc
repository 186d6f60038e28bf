#include "catalog/guest_list.h"

#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "catalog/guest_fields.h"
#include "catalog/resume_token.h"
#include "rpc/filter.h"

namespace innkeeper {
namespace {

constexpr size_t kMaxBasicPage = 10000;
constexpr size_t kMaxFullPage = 1000;

}  // namespace

GuestList::GuestList(GuestTable* table, const PageTokenSealer* sealer)
    : table_(table), query_(GuestFieldSchema(), sealer) {}

absl::StatusOr<grpc::ByteBuffer> GuestList::List(
    const Permit& permit, const v1::ListGuestsRequest& request) const {
  const std::shared_ptr<const GuestSnapshot> snapshot = table_->Snapshot();
  ListArguments arguments;
  arguments.request = &request;
  arguments.method = "innkeeper.v1.Guests/ListGuests";
  arguments.view = request.view() == v1::FULL ? v1::FULL : v1::BASIC;
  arguments.max_page_size =
      arguments.view == v1::FULL ? kMaxFullPage : kMaxBasicPage;
  arguments.unreachable = snapshot->unreachable;
  arguments.unreachable_field = v1::ListGuestsResponse::kUnreachableFieldNumber;
  return query_.Run(arguments, permit, *snapshot->list);
}

absl::StatusOr<GuestWatch> MakeGuestWatch(
    const Permit& permit, const v1::WatchGuestsRequest& request,
    std::shared_ptr<StreamWriter<v1::WatchGuestsResponse>> stream) {
  ASSIGN_OR_RETURN(Filter filter,
                   Filter::Parse(request.filter(), GuestFieldSchema()));
  GuestWatch watch;
  watch.full = request.view() == v1::FULL;
  if (!request.resume_token().empty()) {
    ASSIGN_OR_RETURN(watch.resume, DecodePositions(request.resume_token()));
  }
  watch.sees = [permit](const GuestRow& row) {
    return permit.CanSee(row.attributes);
  };
  watch.wants = [permit, filter = std::move(filter)](const GuestRow& row) {
    return permit.CanSee(row.attributes) &&
           filter.Matches(GuestFields(row.guest));
  };
  watch.may_see = [permit](const v1::Event& event) {
    ResourceAttributes attributes;
    attributes.name = event.guest();
    attributes.owner = event.owner();
    attributes.host = event.host();
    return permit.CanSee(attributes);
  };
  watch.stream = std::move(stream);
  return watch;
}

absl::StatusOr<EventWatch> MakeEventWatch(
    const Permit& permit, const v1::WatchEventsRequest& request,
    std::shared_ptr<StreamWriter<v1::WatchEventsResponse>> stream) {
  ASSIGN_OR_RETURN(Filter filter,
                   Filter::Parse(request.filter(), EventFieldSchema()));
  EventWatch watch;
  if (!request.resume_token().empty()) {
    if (request.from_oldest()) {
      return Error(absl::StatusCode::kInvalidArgument, reason::kInvalidRequest,
                   "a resume token and from_oldest exclude each other")
          .Field("from_oldest", "must not be set with a resume_token")
          .Build();
    }
    ASSIGN_OR_RETURN(watch.resume, DecodePositions(request.resume_token()));
  }
  watch.from_oldest = request.from_oldest();
  watch.until_now = request.until_now();
  watch.wants = [permit, filter = std::move(filter)](const v1::Event& event) {
    ResourceAttributes attributes;
    attributes.name = event.guest().empty() ? event.host() : event.guest();
    attributes.owner = event.owner();
    attributes.host = event.host();
    // A context exists only for those who may use it, which events do not say.
    if (absl::StartsWith(event.type(), "context.") &&
        !permit.Administers(event.host())) {
      return false;
    }
    return permit.CanSee(attributes) && filter.Matches(EventFields(event));
  };
  watch.stream = std::move(stream);
  return watch;
}

}  // namespace innkeeper
