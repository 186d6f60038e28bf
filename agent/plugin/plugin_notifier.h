// Tells plugins which guests run and which have ended, and delays nothing.
#ifndef INNKEEPER_AGENT_PLUGIN_PLUGIN_NOTIFIER_H_
#define INNKEEPER_AGENT_PLUGIN_PLUGIN_NOTIFIER_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "agent/guest/guest_record.h"
#include "agent/plugin/launch_plugin.h"
#include "agent/plugin/plugin_set.h"
#include "agent/store/store_types.h"
#include "agent/supervisor/guest_feed.h"

namespace innkeeper {

// A feed that hands everything on to another one first. Each plugin has a queue
// of its own, and one notice at a time on its way; what finds the queue full,
// and what the plugin does not take, is dropped, counted and logged. Used on
// one event loop only. What the pointers point to must outlive it; it is
// destroyed once no answer of a plugin can come any more.
class PluginNotifier final : public GuestFeed {
 public:
  // What waits for one plugin.
  static constexpr size_t kMaxQueue = 256;
  // Plugins that anything may wait for at once.
  static constexpr size_t kMaxQueues = 256;

  PluginNotifier(GuestFeed* next, const PluginSet* plugins)
      : next_(next), plugins_(plugins) {}

  void OnGuest(const GuestRecord& guest, bool unresponsive,
               const std::string& operation,
               const std::vector<EventRecord>& events) override;
  void OnGuestRemoved(const GuestRecord& guest,
                      const std::vector<EventRecord>& events) override;

  // Notices that no plugin got.
  int64_t dropped() const { return dropped_; }

 private:
  struct Queue {
    std::deque<PluginNotice> waiting;  // The first is on its way.
    // Who takes it: a plugin of an owner is found anew each time.
    std::shared_ptr<LaunchPlugin> plugin;
  };

  void Tell(const PluginNotice& notice);
  void Send(const std::string& name);
  void Drop(const std::string& plugin, const PluginNotice& notice,
            absl::string_view why);

  GuestFeed* const next_;
  const PluginSet* const plugins_;
  std::map<std::string, Queue> queues_;  // By the plugin's name.
  int64_t dropped_ = 0;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_PLUGIN_PLUGIN_NOTIFIER_H_
