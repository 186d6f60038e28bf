// Which plugins there are for a guest, in the order in which they are asked.
#ifndef INNKEEPER_AGENT_PLUGIN_PLUGIN_SET_H_
#define INNKEEPER_AGENT_PLUGIN_PLUGIN_SET_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/config/plugin_config.h"
#include "agent/plugin/launch_plugin.h"

namespace innkeeper {

// Used on one event loop only.
class PluginSet {
 public:
  struct Parts {
    // Of the host, in order.
    std::vector<PluginConfig> host_wide;
    // See FindOwnerPlugins. Empty: owners have none.
    std::string owner_directory;
    // uid to "user/NAME"; uid 0 has none.
    std::map<uint32_t, std::string> local_users;
    // How a plugin is reached.
    std::function<std::shared_ptr<LaunchPlugin>(const PluginConfig&)> make;
  };

  explicit PluginSet(Parts parts);

  // Whether For() might find any: cheap, and true rather than wrong.
  bool MayHave(PluginStage stage, absl::string_view owner) const;

  // The host's, then the owner's own: each of its local users', by uid and
  // name, at most kMaxOwnerPlugins in all. FAILED_PRECONDITION (PLUGIN_FAILED)
  // where the owner's cannot be told; other owners know nothing of that.
  absl::StatusOr<std::vector<std::shared_ptr<LaunchPlugin>>> For(
      PluginStage stage, const std::string& owner) const;

 private:
  const Parts parts_;
  std::vector<std::shared_ptr<LaunchPlugin>> host_wide_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_PLUGIN_PLUGIN_SET_H_
