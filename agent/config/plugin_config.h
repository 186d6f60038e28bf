// A program that has a say in launches, as it was configured.
#ifndef INNKEEPER_AGENT_CONFIG_PLUGIN_CONFIG_H_
#define INNKEEPER_AGENT_CONFIG_PLUGIN_CONFIG_H_

#include <cstdint>
#include <set>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace innkeeper {

// When a plugin is asked (the first three) or told.
enum class PluginStage : uint8_t {
  kAdmit,
  kPrepare,
  kArgv,
  kStarted,
  kStopped,
};

// "admit", "prepare", "argv", "started", "stopped".
absl::string_view ToString(PluginStage stage);

inline constexpr absl::Duration kDefaultPluginDeadline = absl::Seconds(2);
inline constexpr absl::Duration kMaxPluginDeadline = absl::Seconds(10);
inline constexpr int kMaxPlugins = 16;
// What the host's plugins may take for one stage together: with an owner's own
// beside them an answer comes before those who forward launches give up.
inline constexpr absl::Duration kMaxStageTime = absl::Seconds(12);

// A value.
struct PluginConfig {
  std::string name;    // "policy"; of an owner: "user/alice/policy".
  std::string socket;  // An absolute path.
  std::set<PluginStage> stages;
  absl::Duration deadline = kDefaultPluginDeadline;
  // A launch goes on where it gives no answer.
  bool fail_open = false;
  uint32_t uid = 0;   // That its process must have.
  std::string owner;  // "user/alice"; empty: the host's, for all guests.
};

// [a-z0-9][a-z0-9-]{0,31}
bool IsPluginName(absl::string_view name);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_CONFIG_PLUGIN_CONFIG_H_
