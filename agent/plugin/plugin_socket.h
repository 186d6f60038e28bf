// The way to a plugin's socket, and who listens there.
#ifndef INNKEEPER_AGENT_PLUGIN_PLUGIN_SOCKET_H_
#define INNKEEPER_AGENT_PLUGIN_PLUGIN_SOCKET_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/config/plugin_config.h"
#include "base/unique_fd.h"

namespace innkeeper {

// Connects to the plugin's socket, and only if all of this holds: its directory
// is root's, the agent's or the plugin's own, and nobody else can write to it;
// the socket is no symbolic link and belongs to the plugin's uid; whoever
// listens there had that uid when it began to. An owner's plugin must also lie
// on the same file system as the directory of all owners, without a symbolic
// link between. UNAVAILABLE with the reason. Never waits. The descriptor is
// non-blocking. Thread-safe.
absl::StatusOr<UniqueFd> ConnectPlugin(const PluginConfig& config);

// The plugins that the local user `uid`, who is `owner` ("user/alice"), has
// beneath `directory`: each socket UID/NAME.sock, by name. One called
// NAME.optional.sock fails open. Every one is asked at every stage, within
// kDefaultPluginDeadline. None if there is no directory UID.
// FAILED_PRECONDITION (PLUGIN_FAILED) if that directory is not the user's, can
// be written to by others, or holds more than kMaxOwnerPlugins sockets or one
// with a name that is none. Never waits. Thread-safe.
absl::StatusOr<std::vector<PluginConfig>> FindOwnerPlugins(
    const std::string& directory, uint32_t uid, const std::string& owner);

inline constexpr int kMaxOwnerPlugins = 4;

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_PLUGIN_PLUGIN_SOCKET_H_
