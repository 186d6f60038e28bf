// Reaches plugins by innkeeper.plugin.v1 over their unix sockets.
#ifndef INNKEEPER_AGENT_SERVICE_PLUGIN_CLIENT_H_
#define INNKEEPER_AGENT_SERVICE_PLUGIN_CLIENT_H_

#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "agent/config/plugin_config.h"
#include "agent/plugin/launch_plugin.h"
#include "base/event_loop.h"

namespace innkeeper {

// Makes plugins that can be asked. Every question goes over a connection of its
// own, whose other end was looked at (ConnectPlugin): a plugin may be restarted
// at any time, and one launch cannot get at another's. No thread waits for an
// answer. Thread-safe.
class PluginClient {
 public:
  // What a plugin may answer, in bytes.
  static constexpr int kMaxAnswerBytes = 256 << 10;

  // `host` is "hosts/h1". Answers come on `loop`, which must outlive it.
  PluginClient(EventLoop* loop, std::string host);
  // Gives up what is being asked and waits for that to end, which is soon; not
  // on a thread of gRPC.
  ~PluginClient();
  PluginClient(const PluginClient&) = delete;
  PluginClient& operator=(const PluginClient&) = delete;

  // What it makes must not be used once this was destroyed.
  std::shared_ptr<LaunchPlugin> Make(const PluginConfig& config);

 private:
  class Plugin;
  struct Calls;

  EventLoop* const loop_;
  const std::string host_;
  const std::shared_ptr<Calls> calls_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_SERVICE_PLUGIN_CLIENT_H_
