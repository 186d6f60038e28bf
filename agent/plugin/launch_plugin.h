// The seam between the pipeline of plugins and how one of them is reached.
#ifndef INNKEEPER_AGENT_PLUGIN_LAUNCH_PLUGIN_H_
#define INNKEEPER_AGENT_PLUGIN_LAUNCH_PLUGIN_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "agent/config/plugin_config.h"
#include "agent/guest/guest_record.h"
#include "base/completion.h"

namespace innkeeper {

// What a plugin is asked.
struct PluginQuestion {
  PluginStage stage = PluginStage::kAdmit;
  GuestRecord guest;   // As changed by the plugins before.
  std::string caller;  // "user/operator"
  bool restart = false;
  bool dry_run = false;
  // With kArgv.
  std::vector<std::string> argv;
  std::vector<std::string> descriptors;
};

// What a plugin wants changed. Untrusted.
struct PluginPatch {
  std::map<std::string, std::string> labels;  // Empty value: remove.
  int64_t memory_bytes = 0;                   // 0: no change.
  int32_t vcpu_count = 0;                     // 0: no change.
  std::string kernel_command_line_suffix;
  // Fields that cannot be patched here.
  std::vector<std::string> unsupported;
};

// What it answers. Untrusted.
struct PluginAnswer {
  enum class Kind : uint8_t { kAllow, kDeny, kPatch };

  Kind kind = Kind::kAllow;
  std::vector<std::string> reasons;  // With kDeny.
  PluginPatch patch;                 // With kPatch.
};

// What it is told.
struct PluginNotice {
  bool started = false;  // Else it has ended.
  GuestRecord guest;
};

// One plugin. All methods are called on the event loop that it was made with,
// return at once and answer on that loop later, never from inside the call,
// within the deadline of its configuration. UNAVAILABLE if it is not there, is
// not who it should be, or breaks off; DEADLINE_EXCEEDED if it takes too long;
// CANCELLED if nobody waits any more; whatever the plugin itself says else. The
// texts of errors are untrusted. Answers come also after the plugin was
// destroyed.
class LaunchPlugin {
 public:
  // Gives a question up: its answer is CANCELLED, if it is not there yet. May
  // be called at any time on the loop, also after the answer.
  using Abort = absl::AnyInvocable<void()>;

  virtual ~LaunchPlugin() = default;

  virtual const PluginConfig& config() const = 0;
  virtual Abort Review(const PluginQuestion& question,
                       Completion<PluginAnswer> done) = 0;
  virtual void Notify(const PluginNotice& notice, StatusCompletion done) = 0;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_PLUGIN_LAUNCH_PLUGIN_H_
