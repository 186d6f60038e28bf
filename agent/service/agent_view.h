// What this host's services show: the supervisor's changes as rows, watches and
// events of the API.
#ifndef INNKEEPER_AGENT_SERVICE_AGENT_VIEW_H_
#define INNKEEPER_AGENT_SERVICE_AGENT_VIEW_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "agent/context/context_feed.h"
#include "agent/service/convert_network.h"
#include "agent/service/inventory_hub.h"
#include "agent/store/agent_store.h"
#include "agent/supervisor/guest_feed.h"
#include "agent/supervisor/operation_tracker.h"
#include "auth/resource.h"
#include "base/event_loop.h"
#include "base/executor.h"
#include "catalog/event_history.h"
#include "catalog/event_hub.h"
#include "catalog/guest_table.h"
#include "catalog/guest_watch_hub.h"
#include "innkeeper/v1/hosts.pb.h"

namespace innkeeper {

// Thread-safe, but for the feeds, which supervisor and book call on their loop.
// What the pointers point to must outlive it.
class AgentView final : public GuestFeed,
                        public ContextFeed,
                        public EventHistory,
                        public ResourceResolver {
 public:
  struct Parts {
    EventLoop* loop;
    Executor* executor;
    AgentStore* store;
    OperationTracker* tracker;
    std::string host;  // "hosts/h1"
  };

  explicit AgentView(const Parts& parts);

  // The log as it stands; called once, before the supervisor recovers.
  absl::Status Begin();

  // What this host says of itself. Allocated amounts and contexts are filled in
  // here.
  void SetHost(v1::Host host) ABSL_LOCKS_EXCLUDED(mutex_);
  v1::Host host() ABSL_LOCKS_EXCLUDED(mutex_);
  const std::string& host_name() const { return parts_.host; }

  // What leases give from now on. On the loop.
  void SetLeases(LeasedAddresses leases);

  GuestTable& table() { return table_; }
  EventHub& events() { return events_; }
  GuestWatchHub& watches() { return watches_; }
  InventoryHub& inventory() { return inventory_; }

  // GuestFeed
  void OnGuest(const GuestRecord& guest, bool unresponsive,
               const std::string& operation,
               const std::vector<EventRecord>& events) override;
  void OnGuestRemoved(const GuestRecord& guest,
                      const std::vector<EventRecord>& events) override;

  // ContextFeed
  void OnContexts(const std::vector<std::string>& ids,
                  const std::vector<EventRecord>& events) override;

  // EventHistory
  void Read(const std::string& host, const Position& after, int limit,
            Completion<std::vector<v1::Event>> done) override;

  // ResourceResolver
  absl::StatusOr<ResourceAttributes> Resolve(
      absl::string_view name) const override;

 private:
  std::vector<v1::Event> Publish(const std::vector<EventRecord>& events);

  const Parts parts_;
  GuestTable table_;
  EventHub events_;
  GuestWatchHub watches_;
  InventoryHub inventory_;

  LeasedAddresses leases_;  // Used on the loop only.

  // A leaf lock.
  absl::Mutex mutex_;
  v1::Host host_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> contexts_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_SERVICE_AGENT_VIEW_H_
