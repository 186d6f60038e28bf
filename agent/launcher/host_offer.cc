#include "agent/launcher/host_offer.h"

#include <unistd.h>

#include <cstdint>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "agent/launch/context_offer.h"
#include "agent/launcher/context_config.h"
#include "agent/launcher/landlock.h"
#include "agent/launcher/rlimits.h"
#include "agent/launcher/scheduling.h"
#include "agent/launcher/security_label.h"
#include "base/file.h"

namespace innkeeper {
namespace {

// The number in the file `path`; `otherwise` if there is none.
int32_t NumberIn(const char* path, int32_t otherwise) {
  int32_t number;
  const std::string text = ReadFile(path, 64).value_or("");
  return absl::SimpleAtoi(absl::StripAsciiWhitespace(text), &number)
             ? number
             : otherwise;
}

}  // namespace

ContextOffer MakeHostOffer(const ContextConfig& config, bool io_limits) {
  ContextOffer offer;
  for (const auto& [name, unused] : config.identities) {
    offer.identities.insert(name);
  }
  for (const auto& [name, unused] : config.owners) offer.owners.insert(name);
  for (const auto& [name, unused] : config.groups) offer.groups.insert(name);
  for (const auto& [name, unused] : config.roots) offer.roots.insert(name);
  offer.capabilities = config.capabilities;
  offer.rlimits = HardLimits();
  offer.least_nice = config.least_nice;
  offer.least_oom_score_adj = NumberIn("/proc/self/oom_score_adj", 1000);
  offer.cpus = OwnCpus();
  offer.landlock_abi = LandlockAbi();
  offer.selinux = SelinuxIsEnabled();
  offer.apparmor = AppArmorIsEnabled();
  offer.user_namespaces = access("/proc/self/ns/user", F_OK) == 0 &&
                          NumberIn("/proc/sys/user/max_user_namespaces", 0) > 0;
  offer.time_namespaces = access("/proc/self/ns/time", F_OK) == 0;
  offer.io_limits = io_limits;
  return offer;
}

}  // namespace innkeeper
