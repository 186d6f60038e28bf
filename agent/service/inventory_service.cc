#include "agent/service/inventory_service.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace innkeeper {
namespace {

constexpr int kMaxPage = 1000;

}  // namespace

grpc::ServerWriteReactor<agent::v1::WatchInventoryResponse>*
InventoryService::WatchInventory(
    grpc::CallbackServerContext* context,
    const agent::v1::WatchInventoryRequest* request) {
  return gate_.ServerStream<agent::v1::WatchInventoryResponse>(
      context, request,
      [&](const Permit&, std::shared_ptr<InventoryHub::Stream> stream) {
        view_.inventory().Start(std::move(stream));
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* InventoryService::ListHostEvents(
    grpc::CallbackServerContext* context,
    const agent::v1::ListHostEventsRequest* request,
    agent::v1::ListHostEventsResponse* response) {
  return gate_.UnaryAsync(
      context, request, response,
      [&](const Permit&, Completion<agent::v1::ListHostEventsResponse> done) {
        Position after;
        after.epoch = request->epoch();
        after.sequence = request->after_sequence();
        const int limit = request->page_size() <= 0
                              ? kMaxPage
                              : std::min(request->page_size(), kMaxPage);
        view_.Read(
            view_.host_name(), after, limit,
            [this, done = std::move(done)](
                absl::StatusOr<std::vector<v1::Event>> events) mutable {
              if (!events.ok()) return done(events.status());
              agent::v1::ListHostEventsResponse page;
              for (v1::Event& event : *events) {
                *page.add_events() = std::move(event);
              }
              absl::StatusOr<int64_t> last = store_.LastSequence();
              if (!last.ok()) return done(last.status());
              absl::StatusOr<int64_t> oldest = store_.OldestSequence();
              if (!oldest.ok()) return done(oldest.status());
              page.mutable_position()->set_epoch(absl::StrCat(store_.epoch()));
              page.mutable_position()->set_sequence(*last);
              // One beyond the last: nothing is kept.
              if (*oldest <= *last) {
                page.mutable_position()->set_oldest_sequence(*oldest);
              }
              done(std::move(page));
            });
      });
}

}  // namespace innkeeper
