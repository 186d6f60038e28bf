#include "agent/launcher/agent_process.h"

#include <sys/wait.h>

#include <string>

#include "absl/time/time.h"
#include "agent/launcher/config.h"
#include "base/testing/status_matchers.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

TEST(AgentProcessTest, PauseDoublesUpToItsLimitAndAGoodRunResetsIt) {
  LauncherConfig config;
  config.agent = "/bin/false";
  config.agent_credentials.uid = config.agent_credentials.gid = 65534;
  AgentProcess agent(config);
  absl::Time now = absl::FromUnixSeconds(1000);
  const auto pause_after = [&](absl::Duration run) {
    EXPECT_THAT(agent.Start(now), IsOk());
    waitpid(agent.pid(), nullptr, 0);
    now += run;
    agent.Ended(now);
    EXPECT_EQ(agent.pid(), 0);
    EXPECT_EQ(agent.socket(), -1);
    return absl::ToInt64Milliseconds(agent.next_start() - now);
  };

  for (const int expected : {200, 400, 800, 1600, 3200, 6400, 10000, 10000}) {
    EXPECT_EQ(pause_after(absl::Seconds(1)), expected);
  }
  EXPECT_EQ(pause_after(absl::Seconds(30)), 200);
  EXPECT_EQ(pause_after(absl::Seconds(29)), 400);
}

}  // namespace
}  // namespace innkeeper
