// Whether a guest that a LauncherHarness has launched is confined, seen from
// outside: in /proc, in the control groups and in its directory.
#ifndef INNKEEPER_AGENT_LAUNCHER_TESTING_OUTSIDE_CHECKS_H_
#define INNKEEPER_AGENT_LAUNCHER_TESTING_OUTSIDE_CHECKS_H_

#include "agent/launch/launch_plan.h"
#include "agent/launch/spawner.h"
#include "agent/launcher/testing/launcher_harness.h"

namespace innkeeper {

// Fails the test, naming the check, for everything of `launched` that is not as
// a launch of `plan`, which asks for no context, makes it; gives the number of
// checks. The guest's QEMU and keeper must live and have executed. It reads
// with code of its own, and nothing of the launcher's: what that believes does
// not count.
int ExpectConfined(const LauncherHarness& harness, const LaunchPlan& plan,
                   const Launched& launched);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_TESTING_OUTSIDE_CHECKS_H_
