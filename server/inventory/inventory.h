// What all hosts have, as far as the server has been told.
#ifndef INNKEEPER_SERVER_INVENTORY_INVENTORY_H_
#define INNKEEPER_SERVER_INVENTORY_INVENTORY_H_

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/completion.h"
#include "base/event_loop.h"
#include "catalog/event_history.h"
#include "catalog/event_hub.h"
#include "catalog/guest_table.h"
#include "catalog/guest_watch_hub.h"
#include "innkeeper/v1/hosts.pb.h"
#include "server/hosts/agent_client.h"
#include "server/hosts/enrolled_host.h"
#include "server/inventory/agent_link.h"
#include "server/inventory/server_log.h"
#include "server/placement/reservations.h"

namespace innkeeper {

// Thread-safe; no method but AwaitHosts blocks. What a host says counts for
// that host only: it can neither take over a guest that another host has, nor
// speak in the name of another. The pointers must outlive it.
class Inventory final : public EventHistory, public AgentLink::Listener {
 public:
  struct Parts {
    EventLoop* loop;
    ServerLog* log;
    const Clock* clock;
    std::function<absl::StatusOr<std::unique_ptr<AgentClient>>(
        const EnrolledHost&)>
        make_client;
    AgentLink::Timing timing;
  };

  explicit Inventory(Parts parts);
  ~Inventory() override;

  // Begins to watch a host, in place of the one of that name.
  void AddHost(const EnrolledHost& host) ABSL_LOCKS_EXCLUDED(mutex_);
  // Forgets the host and its guests.
  void RemoveHost(const std::string& host) ABSL_LOCKS_EXCLUDED(mutex_);
  // Returns once every host has told what it has or cannot be reached, or after
  // `timeout`. Blocks. Whoever serves earlier omits guests without a word.
  void AwaitHosts(absl::Duration timeout) const ABSL_LOCKS_EXCLUDED(mutex_);
  // The host's entry in the directory has changed.
  void UpdateHost(const EnrolledHost& host) ABSL_LOCKS_EXCLUDED(mutex_);

  // `gone` is told, on the loop, when guests of a host ("h1") have gone, or may
  // have gone while it was out of reach. Before any host.
  void SetGuestsGoneHandler(std::function<void(const std::string& host)> gone) {
    guests_gone_ = std::move(gone);
  }

  // The guest `uid` has the id ("web") in the cluster, whoever reports one of
  // that id first; and no longer.
  void ClaimId(absl::string_view guest, const std::string& uid);
  void UnclaimId(absl::string_view guest, absl::string_view uid);

  GuestTable& table() { return table_; }
  EventHub& events() { return events_; }
  GuestWatchHub& watches() { return watches_; }

  // Hosts go by their ids: "h1". Null if there is no such host.
  std::shared_ptr<AgentClient> FindClient(absl::string_view host) const
      ABSL_LOCKS_EXCLUDED(mutex_);
  // OK while the host answers. UNAVAILABLE (HOST_UNREACHABLE) with its age;
  // NOT_FOUND (HOST_NOT_FOUND).
  absl::Status CheckReachable(absl::string_view host) const
      ABSL_LOCKS_EXCLUDED(mutex_);
  int64_t FencingNumber(absl::string_view host) const
      ABSL_LOCKS_EXCLUDED(mutex_);

  // As the API shows them, by name.
  std::vector<v1::Host> Hosts() const ABSL_LOCKS_EXCLUDED(mutex_);
  std::optional<v1::Host> FindHost(absl::string_view host) const
      ABSL_LOCKS_EXCLUDED(mutex_);
  // As placement sees them.
  std::vector<ObservedHost> Observe() ABSL_LOCKS_EXCLUDED(mutex_);

  // EventHistory
  void Read(const std::string& host, const Position& after, int limit,
            Completion<std::vector<v1::Event>> done) override;

 private:
  struct Entry {
    EnrolledHost enrolled;
    std::shared_ptr<AgentLink> link;  // Null if it has no usable address.
    v1::Host reported;
    v1::Host::State state = v1::Host::PENDING;
    std::string why;
    absl::Time contact = absl::InfinitePast();
  };

  // AgentLink::Listener
  void OnHost(const std::string& host, v1::Host state) override;
  void OnGuest(const std::string& host, v1::Guest guest) override;
  void OnGuestRemoved(const std::string& host, const std::string& uid) override;
  void OnEvent(const std::string& host, v1::Event event) override;
  void OnSynced(const std::string& host, const Position& position,
                const std::set<std::string>& uids) override;
  void OnContact(const std::string& host) override;
  void OnSilent(const std::string& host, const std::string& why) override;

  // What `host` says happened, in the names of the cluster.
  v1::Event Translate(const std::string& host, v1::Event event) const;
  // Whether `host` has no say about this uid.
  bool IsForeign(const std::string& host, const std::string& uid);
  v1::Host Show(const Entry& entry) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  void CountAllocated(v1::Host* host) const;
  bool NonePending() const ABSL_SHARED_LOCKS_REQUIRED(mutex_);

  const Parts parts_;
  std::function<void(const std::string&)> guests_gone_;
  GuestTable table_;
  EventHub events_;
  GuestWatchHub watches_;

  // A leaf lock, but for table_'s.
  mutable absl::Mutex mutex_;
  std::map<std::string, Entry, std::less<>> hosts_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace innkeeper

#endif  // INNKEEPER_SERVER_INVENTORY_INVENTORY_H_
