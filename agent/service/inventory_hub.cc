#include "agent/service/inventory_hub.h"

#include <list>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "agent/service/convert.h"
#include "base/error.h"
#include "base/reason.h"
#include "rpc/timestamp.h"

namespace innkeeper {

struct InventoryHub::Server {
  std::shared_ptr<Stream> stream;
  std::set<std::string> pending;  // Uids still to be sent in the snapshot.
  bool synced = false;
};

InventoryHub::InventoryHub(EventLoop* loop, GuestTable* table)
    : loop_(loop), table_(table) {
  loop_->Post(
      [this] { timer_ = loop_->After(kHeartbeat, [this] { Beat(); }); });
}

InventoryHub::~InventoryHub() {
  loop_->PostAndWait([this] {
    loop_->Cancel(timer_);
    for (const ServerPtr& server : servers_) {
      server->stream->Finish(Error(absl::StatusCode::kUnavailable,
                                   reason::kShuttingDown,
                                   "the agent is stopping"));
    }
    servers_.clear();
  });
}

void InventoryHub::SetHead(const Position& head) {
  loop_->Post([this, head] { head_ = head; });
}

void InventoryHub::HostChanged(v1::Host host, std::vector<v1::Event> events) {
  loop_->Post([this, host = std::move(host), events = std::move(events)] {
    host_ = host;
    if (!events.empty()) head_.sequence = events.back().sequence();
    Message message;
    *message.mutable_host() = host;
    for (const ServerPtr& server : servers_) {
      server->stream->Write(message);
      // For one that is not synced they lie before its position.
      if (!server->synced) continue;
      for (const v1::Event& event : events) {
        Message update;
        *update.mutable_event() = event;
        server->stream->Write(std::move(update));
      }
    }
  });
}

void InventoryHub::GuestChanged(GuestRowPtr row,
                                std::vector<v1::Event> events) {
  loop_->Post([this, row = std::move(row), events = std::move(events)] {
    Message message;
    *message.mutable_guest() = row->guest;
    Send(message, events, row->guest.uid());
  });
}

void InventoryHub::GuestRemoved(const std::string& uid,
                                std::vector<v1::Event> events) {
  loop_->Post([this, uid, events = std::move(events)] {
    Message message;
    message.set_removed_guest_uid(uid);
    Send(message, events, uid);
  });
}

void InventoryHub::Send(const Message& message,
                        const std::vector<v1::Event>& events,
                        const std::string& uid) {
  if (!events.empty()) head_.sequence = events.back().sequence();
  servers_.remove_if(
      [](const ServerPtr& server) { return !server->stream->open(); });
  for (const ServerPtr& server : servers_) {
    if (!server->synced) {
      // The snapshot shows the outcome; its events are before its position.
      server->pending.insert(uid);
      continue;
    }
    server->stream->Write(message);
    for (const v1::Event& event : events) {
      Message update;
      *update.mutable_event() = event;
      server->stream->Write(std::move(update));
    }
  }
}

void InventoryHub::Start(std::shared_ptr<Stream> stream) {
  loop_->Post([this, stream = std::move(stream)]() mutable {
    StartOnLoop(std::move(stream));
  });
}

void InventoryHub::StartOnLoop(std::shared_ptr<Stream> stream) {
  auto server = std::make_shared<Server>();
  server->stream = std::move(stream);
  const auto snapshot = table_->Snapshot();
  for (const GuestRowPtr& row : snapshot->rows) {
    server->pending.insert(row->guest.uid());
  }
  servers_.push_back(server);
  Message message;
  *message.mutable_host() = host_;
  server->stream->Write(std::move(message));
  const std::weak_ptr<Server> weak = server;
  server->stream->SetDrainHandler([this, weak] {
    loop_->Post([this, weak] {
      if (const ServerPtr ready = weak.lock()) PumpSnapshot(ready);
    });
  });
  PumpSnapshot(server);
}

void InventoryHub::PumpSnapshot(const ServerPtr& server) {
  if (server->synced) return;
  while (!server->pending.empty()) {
    if (!server->stream->open() || !server->stream->WritePermitted()) return;
    const std::string uid = *server->pending.begin();
    server->pending.erase(server->pending.begin());
    Message message;
    const GuestRowPtr row = table_->FindByUid(uid);
    if (row != nullptr) {
      *message.mutable_guest() = row->guest;
    } else {
      message.set_removed_guest_uid(uid);
    }
    server->stream->Write(std::move(message));
  }
  server->synced = true;
  Message message;
  message.mutable_synced()->set_epoch(head_.epoch);
  message.mutable_synced()->set_sequence(head_.sequence);
  server->stream->Write(std::move(message));
}

void InventoryHub::Beat() {
  Message message;
  *message.mutable_heartbeat() = ToTimestamp(absl::Now());
  servers_.remove_if(
      [](const ServerPtr& server) { return !server->stream->open(); });
  for (const ServerPtr& server : servers_) server->stream->Write(message);
  timer_ = loop_->After(kHeartbeat, [this] { Beat(); });
}

}  // namespace innkeeper
