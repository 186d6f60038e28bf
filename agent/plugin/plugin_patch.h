// Turns what a plugin wants changed into a changed guest, or refuses it.
#ifndef INNKEEPER_AGENT_PLUGIN_PLUGIN_PATCH_H_
#define INNKEEPER_AGENT_PLUGIN_PLUGIN_PATCH_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/config/plugin_config.h"
#include "agent/guest/guest_record.h"
#include "agent/plugin/launch_plugin.h"

namespace innkeeper {

// What may be changed, and for whom.
struct PatchRules {
  PluginStage stage = PluginStage::kAdmit;
  // A guest that was launched before: nothing may change.
  bool restart = false;
  // Whether the caller of the launch may make such a guest. Null: the caller's
  // rights are not at hand, and labels may only be added.
  std::function<bool(const GuestRecord&)> may_make;
};

// The longest kernel_command_line_suffix, in bytes.
inline constexpr size_t kMaxCommandLineSuffix = 500;

// Applies `patch` to `guest` and says what has changed, for people: nothing, if
// the guest was like that already. Memory and vCPUs only go down; the suffix is
// for kAdmit only; the result is as valid as a client's own and within the
// caller's rights. FAILED_PRECONDITION (PLUGIN_FAILED) with the first fault,
// and `guest` is untouched. Texts of the patch are printable in what this says.
absl::StatusOr<std::vector<std::string>> ApplyPatch(const PluginPatch& patch,
                                                    const PatchRules& rules,
                                                    GuestRecord* guest);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_PLUGIN_PLUGIN_PATCH_H_
