#include "agent/plugin/plugin_notifier.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/qmp/printable_text.h"
#include "base/log.h"

namespace innkeeper {
namespace {

constexpr size_t kMaxErrorBytes = 500;

}  // namespace

void PluginNotifier::OnGuest(const GuestRecord& guest, bool unresponsive,
                             const std::string& operation,
                             const std::vector<EventRecord>& events) {
  next_->OnGuest(guest, unresponsive, operation, events);
  for (const EventRecord& event : events) {
    if (event.type == "guest.started") Tell({true, guest});
    // A launch that failed had no process that could have ended.
    const bool ended =
        event.type == "guest.stopped" || event.type == "guest.failed";
    if (ended && guest.exit.has_value()) Tell({false, guest});
  }
}

void PluginNotifier::OnGuestRemoved(const GuestRecord& guest,
                                    const std::vector<EventRecord>& events) {
  next_->OnGuestRemoved(guest, events);
}

void PluginNotifier::Tell(const PluginNotice& notice) {
  const PluginStage stage =
      notice.started ? PluginStage::kStarted : PluginStage::kStopped;
  if (!plugins_->MayHave(stage, notice.guest.owner)) return;
  const absl::StatusOr<std::vector<std::shared_ptr<LaunchPlugin>>> plugins =
      plugins_->For(stage, notice.guest.owner);
  if (!plugins.ok()) {
    return Drop(notice.guest.owner, notice, plugins.status().message());
  }
  for (const std::shared_ptr<LaunchPlugin>& plugin : *plugins) {
    const std::string& name = plugin->config().name;
    if (queues_.count(name) == 0 && queues_.size() == kMaxQueues) {
      Drop(name, notice, "too many plugins are waited for");
      continue;
    }
    Queue& queue = queues_[name];
    if (queue.waiting.size() == kMaxQueue) {
      Drop(name, notice, "its queue is full");
      continue;
    }
    queue.waiting.push_back(notice);
    queue.plugin = plugin;
    if (queue.waiting.size() == 1) Send(name);
  }
}

void PluginNotifier::Send(const std::string& name) {
  const Queue& queue = queues_.at(name);
  queue.plugin->Notify(
      queue.waiting.front(), [this, name](absl::Status status) {
        Queue& answered = queues_.at(name);
        if (!status.ok()) {
          Drop(name, answered.waiting.front(), status.message());
        }
        answered.waiting.pop_front();
        if (!answered.waiting.empty()) return Send(name);
        queues_.erase(name);
      });
}

void PluginNotifier::Drop(const std::string& plugin, const PluginNotice& notice,
                          absl::string_view why) {
  ++dropped_;
  LogWarning("plugin.notice_dropped",
             {{"plugin", plugin},
              {"stage", notice.started ? "started" : "stopped"},
              {"guest", notice.guest.id},
              {"error", PrintableText(why, kMaxErrorBytes)},
              {"dropped", dropped_}});
}

}  // namespace innkeeper
