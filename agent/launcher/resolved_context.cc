#include "agent/launcher/resolved_context.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "agent/launch/capability_name.h"
#include "agent/launch/context_offer.h"
#include "agent/launch/launch_context.h"
#include "agent/launcher/context_config.h"
#include "agent/launcher/credentials.h"
#include "base/status_macros.h"

namespace innkeeper {
namespace {

// What `offer` holds is in `config`: these look up what was checked.
Credentials ResolveIdentity(const LaunchContext& context,
                            absl::string_view owner,
                            const ContextConfig& config) {
  Credentials qemu;
  if (context.identity == IdentityKind::kNamed) {
    qemu = config.identities.at(context.identity_name);
  } else if (context.identity == IdentityKind::kOwner) {
    qemu = config.owners.at(std::string(owner));
  }
  for (const std::string& group : context.groups) {
    qemu.groups.push_back(config.groups.at(group));
  }
  std::sort(qemu.groups.begin(), qemu.groups.end());
  qemu.groups.erase(std::unique(qemu.groups.begin(), qemu.groups.end()),
                    qemu.groups.end());
  for (const std::string& name : context.capabilities) {
    const std::optional<int> number = CapabilityNumber(name);
    if (number.has_value()) qemu.capabilities |= uint64_t{1} << *number;
  }
  // SELinux lets no label change under no_new_privs without a policy for it:
  // QEMU's own filter sets it, once it has executed.
  qemu.no_new_privs = context.selinux.value.empty();
  qemu.filter_calls = true;
  return qemu;
}

}  // namespace

absl::StatusOr<ResolvedContext> ResolveContext(const LaunchContext& context,
                                               absl::string_view owner,
                                               const ContextConfig& config,
                                               const ContextOffer& offer) {
  RETURN_IF_ERROR(
      ContextUnavailable(FindUnavailableParts(context, owner, offer)));
  ResolvedContext resolved;
  resolved.qemu = ResolveIdentity(context, owner, config);
  if (!context.root.empty()) resolved.root = config.roots.at(context.root);
  if (context.landlock != LandlockMode::kOff) {
    resolved.landlock_abi = offer.landlock_abi;
  }
  for (const LaunchRlimit& limit : context.rlimits) {
    const std::optional<__rlimit_resource> resource = RlimitOf(limit.resource);
    if (!resource.has_value()) continue;
    resolved.rlimits.push_back({*resource, static_cast<rlim_t>(limit.value)});
  }
  // Not what the launcher happens to have.
  resolved.nice = context.nice.value_or(0);
  resolved.oom_score = context.oom_score_adj;
  if (!context.cpu_affinity.empty()) {
    ASSIGN_OR_RETURN(resolved.cpus, ParseCpuList(context.cpu_affinity));
  }
  for (const auto& [name, value] : context.environment) {
    resolved.environment.push_back(absl::StrCat(name, "=", value));
  }
  return resolved;
}

}  // namespace innkeeper
