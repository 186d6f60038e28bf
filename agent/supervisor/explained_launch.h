// What a launch would come to.
#ifndef INNKEEPER_AGENT_SUPERVISOR_EXPLAINED_LAUNCH_H_
#define INNKEEPER_AGENT_SUPERVISOR_EXPLAINED_LAUNCH_H_

#include <vector>

#include "absl/status/status.h"
#include "agent/driver/guest_driver.h"
#include "agent/guest/guest_record.h"
#include "agent/plugin/launch_review.h"

namespace innkeeper {

struct ExplainedLaunch {
  GuestRecord guest;         // As plugins would change it.
  LaunchExplanation launch;  // Empty parts: did not come so far.
  std::vector<PluginVerdict> plugins;
  // Each says why the guest would not be launched.
  std::vector<absl::Status> refusals;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_SUPERVISOR_EXPLAINED_LAUNCH_H_
