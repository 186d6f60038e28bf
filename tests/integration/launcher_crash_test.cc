// The launcher dies by SIGKILL at every point that it names, and its agent with
// it. Afterwards a guest is there once under the same pid, or nothing of it is.
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "agent/launcher/testing/test_network.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/host_death.h"
#include "tests/integration/lab.h"

namespace innkeeper {
namespace {

// Each failpoint under the verb that passes it. What the launcher has of a
// guest goes when that has stopped, but for what it keeps until it is deleted.
CrashVerb VerbOf(const std::string& failpoint) {
  if (absl::StrContains(failpoint, ".launch.")) return CrashVerb::kLaunch;
  if (absl::StrContains(failpoint, ".forget.")) return CrashVerb::kDelete;
  return CrashVerb::kStop;
}

std::vector<HostDeath> Deaths() {
  std::vector<HostDeath> deaths;
  for (const std::string& failpoint : Lab::LauncherFailpoints()) {
    const CrashVerb verb = VerbOf(failpoint);
    HostDeath death = {HostDeath::Victim::kLauncher, verb, failpoint, 1, "lan"};
    // A step of those launches only that ask for such a namespace.
    if (!absl::StrContains(failpoint, "user_namespace")) {
      deaths.push_back(death);
    }
    death.in_context = true;
    if (verb == CrashVerb::kLaunch) deaths.push_back(death);
  }
  return deaths;
}

TEST(LauncherCrashTest, NothingIsLostOrDoubledAtAnyFailpoint) {
  std::set<std::string> covered;
  const TestNetwork network;
  Lab lab;
  lab.AddLauncherFlag(network.Flag("lan"));

  for (const HostDeath& death : Deaths()) {
    SCOPED_TRACE(ToString(death));
    ASSERT_NO_FATAL_FAILURE(DieAndRecover(lab, death));
    EXPECT_THAT(network.TapNames(), testing::IsEmpty());
    covered.insert(death.failpoint);
  }

  const std::vector<std::string> all = Lab::LauncherFailpoints();
  EXPECT_FALSE(all.empty());
  EXPECT_EQ(covered, std::set<std::string>(all.begin(), all.end()));
}

}  // namespace
}  // namespace innkeeper
