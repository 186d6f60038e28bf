// Keeps the server told by one agent.
#ifndef INNKEEPER_SERVER_INVENTORY_AGENT_LINK_H_
#define INNKEEPER_SERVER_INVENTORY_AGENT_LINK_H_

#include <cstdint>
#include <memory>
#include <set>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/event_loop.h"
#include "catalog/position.h"
#include "innkeeper/agent/v1/inventory.pb.h"
#include "innkeeper/v1/events.pb.h"
#include "innkeeper/v1/guests.pb.h"
#include "innkeeper/v1/hosts.pb.h"
#include "server/hosts/agent_client.h"

namespace innkeeper {

// Used on the loop only. Holds a WatchInventory stream and begins another one
// when it breaks, after a pause that doubles with each try that led nowhere.
class AgentLink : public std::enable_shared_from_this<AgentLink> {
 public:
  struct Timing {
    absl::Duration shortest_pause = absl::Milliseconds(200);
    absl::Duration longest_pause = absl::Seconds(5);
    // An agent that says nothing for so long cannot be reached.
    absl::Duration silence = absl::Seconds(6);
  };

  // Called on the loop.
  class Listener {
   public:
    virtual ~Listener() = default;
    virtual void OnHost(const std::string& host, v1::Host state) = 0;
    virtual void OnGuest(const std::string& host, v1::Guest guest) = 0;
    virtual void OnGuestRemoved(const std::string& host,
                                const std::string& uid) = 0;
    virtual void OnEvent(const std::string& host, v1::Event event) = 0;
    // A snapshot is whole: the host has the guests `uids` and no others.
    virtual void OnSynced(const std::string& host, const Position& position,
                          const std::set<std::string>& uids) = 0;
    // Something came from the agent.
    virtual void OnContact(const std::string& host) = 0;
    // Called once, until OnSynced comes again.
    virtual void OnSilent(const std::string& host, const std::string& why) = 0;
  };

  AgentLink(EventLoop* loop, Listener* listener, std::string host,
            std::shared_ptr<AgentClient> client, Timing timing)
      : loop_(*loop),
        listener_(*listener),
        host_(std::move(host)),
        client_(std::move(client)),
        timing_(timing),
        inbox_(std::make_shared<Inbox>(loop)) {}

  void Start();
  // The listener hears nothing more.
  void Stop();

  const std::shared_ptr<AgentClient>& client() const { return client_; }

 private:
  using Message = agent::v1::WatchInventoryResponse;

  // The way from the client's threads to the loop. A stream has its say also
  // after the link has stopped, when the loop may be gone.
  class Inbox {
   public:
    explicit Inbox(EventLoop* loop) : loop_(loop) {}
    // Drops `task` once closed.
    void Post(EventLoop::Task task);
    void Close();

   private:
    absl::Mutex mutex_;
    EventLoop* loop_ ABSL_GUARDED_BY(mutex_);
  };

  void Connect();
  void OnMessage(uint64_t stream, Message message);
  void OnEnd(uint64_t stream, const absl::Status& status);
  void ExpectContact();
  void OnSilence();

  EventLoop& loop_;
  Listener& listener_;
  const std::string host_;
  const std::shared_ptr<AgentClient> client_;
  const Timing timing_;
  const std::shared_ptr<Inbox> inbox_;

  std::unique_ptr<AgentClient::Subscription> subscription_;
  uint64_t stream_ = 0;  // The number of the present stream.
  bool stopped_ = false;
  bool synced_ = false;
  bool silent_ = false;
  std::set<std::string> snapshot_;
  absl::Duration pause_ = absl::ZeroDuration();
  std::string last_error_ = "it has not answered yet";
  EventLoop::TimerId connect_timer_ = 0;
  EventLoop::TimerId silence_timer_ = 0;
};

}  // namespace innkeeper

#endif  // INNKEEPER_SERVER_INVENTORY_AGENT_LINK_H_
