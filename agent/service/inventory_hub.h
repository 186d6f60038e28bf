// Keeps servers told of all that is on this host.
#ifndef INNKEEPER_AGENT_SERVICE_INVENTORY_HUB_H_
#define INNKEEPER_AGENT_SERVICE_INVENTORY_HUB_H_

#include <functional>
#include <list>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/event_loop.h"
#include "catalog/guest_table.h"
#include "catalog/position.h"
#include "innkeeper/agent/v1/inventory.pb.h"
#include "innkeeper/v1/events.pb.h"
#include "innkeeper/v1/hosts.pb.h"
#include "rpc/stream_writer.h"

namespace innkeeper {

// The public methods may be called from any thread; the rest runs on the loop.
// A server that does not read what changes fast enough loses its stream and
// starts again with a new snapshot.
class InventoryHub {
 public:
  using Stream = StreamWriter<agent::v1::WatchInventoryResponse>;

  static constexpr absl::Duration kHeartbeat = absl::Seconds(2);

  InventoryHub(EventLoop* loop, GuestTable* table);
  ~InventoryHub();

  void SetHead(const Position& head);
  // `events` say what has changed about the host itself.
  void HostChanged(v1::Host host, std::vector<v1::Event> events = {});
  // In the order of the event log.
  void GuestChanged(GuestRowPtr row, std::vector<v1::Event> events);
  void GuestRemoved(const std::string& uid, std::vector<v1::Event> events);
  void Start(std::shared_ptr<Stream> stream);

 private:
  struct Server;
  using ServerPtr = std::shared_ptr<Server>;
  using Message = agent::v1::WatchInventoryResponse;

  void StartOnLoop(std::shared_ptr<Stream> stream);
  void PumpSnapshot(const ServerPtr& server);
  void Send(const Message& message, const std::vector<v1::Event>& events,
            const std::string& uid);
  void Beat();

  EventLoop* const loop_;
  GuestTable* const table_;
  Position head_;
  v1::Host host_;
  std::list<ServerPtr> servers_;
  EventLoop::TimerId timer_ = 0;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_SERVICE_INVENTORY_HUB_H_
