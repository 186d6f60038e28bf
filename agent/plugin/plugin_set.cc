#include "agent/plugin/plugin_set.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "agent/plugin/plugin_socket.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/status_macros.h"

namespace innkeeper {

PluginSet::PluginSet(Parts parts) : parts_(std::move(parts)) {
  for (const PluginConfig& config : parts_.host_wide) {
    host_wide_.push_back(parts_.make(config));
  }
}

bool PluginSet::MayHave(PluginStage stage, absl::string_view owner) const {
  for (const PluginConfig& config : parts_.host_wide) {
    if (config.stages.count(stage) != 0) return true;
  }
  if (parts_.owner_directory.empty()) return false;
  for (const auto& [uid, user] : parts_.local_users) {
    if (uid != 0 && user == owner) return true;
  }
  return false;
}

absl::StatusOr<std::vector<std::shared_ptr<LaunchPlugin>>> PluginSet::For(
    PluginStage stage, const std::string& owner) const {
  std::vector<std::shared_ptr<LaunchPlugin>> plugins;
  for (const std::shared_ptr<LaunchPlugin>& plugin : host_wide_) {
    if (plugin->config().stages.count(stage) != 0) plugins.push_back(plugin);
  }
  if (parts_.owner_directory.empty()) return plugins;
  size_t count = 0;
  for (const auto& [uid, user] : parts_.local_users) {
    if (uid == 0 || user != owner) continue;
    ASSIGN_OR_RETURN(const std::vector<PluginConfig> own,
                     FindOwnerPlugins(parts_.owner_directory, uid, owner));
    count += own.size();
    if (count > size_t{kMaxOwnerPlugins}) {
      return Error(absl::StatusCode::kFailedPrecondition, reason::kPluginFailed,
                   absl::StrCat("the local users of ", owner,
                                " have more than ", kMaxOwnerPlugins,
                                " plugins together; remove some"))
          .With("owner", owner)
          .Build();
    }
    for (const PluginConfig& config : own) {
      plugins.push_back(parts_.make(config));
    }
  }
  return plugins;
}

}  // namespace innkeeper
