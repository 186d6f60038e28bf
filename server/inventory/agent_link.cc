#include "server/inventory/agent_link.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/log.h"

namespace innkeeper {

void AgentLink::Inbox::Post(EventLoop::Task task) {
  absl::MutexLock lock(&mutex_);
  if (loop_ != nullptr) loop_->Post(std::move(task));
}

void AgentLink::Inbox::Close() {
  absl::MutexLock lock(&mutex_);
  loop_ = nullptr;
}

void AgentLink::Start() {
  pause_ = timing_.shortest_pause;
  ExpectContact();
  Connect();
}

void AgentLink::Stop() {
  stopped_ = true;
  inbox_->Close();
  subscription_ = nullptr;
  loop_.Cancel(connect_timer_);
  loop_.Cancel(silence_timer_);
}

void AgentLink::Connect() {
  if (stopped_) return;
  const uint64_t stream = ++stream_;
  synced_ = false;
  snapshot_.clear();
  const std::weak_ptr<AgentLink> weak = shared_from_this();
  AgentClient::InventoryHandler handler;
  handler.on_message = [weak, inbox = inbox_, stream](Message message) {
    inbox->Post([weak, stream, message = std::move(message)]() mutable {
      const std::shared_ptr<AgentLink> link = weak.lock();
      if (link != nullptr) link->OnMessage(stream, std::move(message));
    });
  };
  handler.on_end = [weak, inbox = inbox_, stream](const absl::Status& status) {
    inbox->Post([weak, stream, status] {
      const std::shared_ptr<AgentLink> link = weak.lock();
      if (link != nullptr) link->OnEnd(stream, status);
    });
  };
  subscription_ = client_->WatchInventory(std::move(handler));
}

void AgentLink::OnMessage(uint64_t stream, Message message) {
  if (stopped_ || stream != stream_) return;
  ExpectContact();
  listener_.OnContact(host_);
  switch (message.update_case()) {
    case Message::kHost:
      return listener_.OnHost(host_, std::move(*message.mutable_host()));
    case Message::kGuest:
      if (!synced_) snapshot_.insert(message.guest().uid());
      return listener_.OnGuest(host_, std::move(*message.mutable_guest()));
    case Message::kRemovedGuestUid:
      snapshot_.erase(message.removed_guest_uid());
      return listener_.OnGuestRemoved(host_, message.removed_guest_uid());
    case Message::kEvent:
      return listener_.OnEvent(host_, std::move(*message.mutable_event()));
    case Message::kSynced: {
      synced_ = true;
      silent_ = false;
      pause_ = timing_.shortest_pause;
      Position position;
      position.epoch = message.synced().epoch();
      position.sequence = message.synced().sequence();
      listener_.OnSynced(host_, position, snapshot_);
      return snapshot_.clear();
    }
    case Message::kHeartbeat:
    case Message::UPDATE_NOT_SET:
      return;
  }
}

void AgentLink::OnEnd(uint64_t stream, const absl::Status& status) {
  if (stopped_ || stream != stream_) return;
  last_error_ = absl::StrCat(absl::StatusCodeToString(status.code()), ": ",
                             status.message());
  LogWarning("agent.stream_ended", {{"host", host_}, {"error", last_error_}});
  subscription_ = nullptr;
  ++stream_;
  loop_.Cancel(connect_timer_);
  connect_timer_ = loop_.After(pause_, [this] { Connect(); });
  pause_ = std::min(pause_ * 2, timing_.longest_pause);
}

void AgentLink::ExpectContact() {
  loop_.Cancel(silence_timer_);
  silence_timer_ = loop_.After(timing_.silence, [this] { OnSilence(); });
}

void AgentLink::OnSilence() {
  if (stopped_) return;
  if (!silent_) {
    silent_ = true;
    listener_.OnSilent(host_, last_error_);
  }
  ExpectContact();
  // A stream that hangs is as bad as none.
  if (subscription_ == nullptr) return;
  OnEnd(stream_, absl::DeadlineExceededError("the agent says nothing"));
}

}  // namespace innkeeper
