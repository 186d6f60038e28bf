// The agent dies by SIGKILL, at every point that it names and at worse times.
// Afterwards a guest runs and is listed once under the same pid, or nothing of
// it is left.
#include <signal.h>

#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "base/testing/status_matchers.h"
#include "base/uuid.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/caller.h"
#include "tests/integration/guest_checks.h"
#include "tests/integration/host_death.h"
#include "tests/integration/lab.h"

namespace innkeeper {
namespace {

constexpr char kGuest[] = "web";

v1::LaunchGuestRequest Launch() {
  v1::LaunchGuestRequest request = PausedGuest(kGuest, "user/tenant-a");
  request.set_request_id(MakeUuid());
  return request;
}

// Each failpoint under each verb that passes it. The store is passed twice by
// every verb: when the request is accepted and when it has been carried out;
// before a stop once more, when the guest is adopted.
std::vector<HostDeath> Deaths() {
  std::vector<HostDeath> deaths;
  for (const CrashVerb verb :
       {CrashVerb::kLaunch, CrashVerb::kStop, CrashVerb::kDelete}) {
    for (const std::string& failpoint : Lab::AgentFailpoints()) {
      const auto is = [&](const char* part) {
        return absl::StrContains(failpoint, part);
      };
      const bool foreign =
          ((is(".launch.") || is(".driver.")) && verb != CrashVerb::kLaunch) ||
          ((is(".stop.") || is(".exit.")) && verb != CrashVerb::kStop) ||
          (is(".delete.") && verb != CrashVerb::kDelete);
      if (foreign) continue;
      const int first = is(".store.") && verb == CrashVerb::kStop ? 2 : 1;
      const int last = is(".store.") ? first + 1 : first;
      for (int count = first; count <= last; ++count) {
        deaths.push_back({HostDeath::Victim::kAgent, verb, failpoint, count});
      }
    }
  }
  return deaths;
}

TEST(AgentCrashTest, NothingIsLostOrDoubledAtAnyFailpoint) {
  std::set<std::string> covered;
  Lab lab;

  for (const HostDeath& death : Deaths()) {
    SCOPED_TRACE(ToString(death));
    ASSERT_NO_FATAL_FAILURE(DieAndRecover(lab, death));
    covered.insert(death.failpoint);
  }

  const std::vector<std::string> all = Lab::AgentFailpoints();
  EXPECT_FALSE(all.empty());
  EXPECT_EQ(covered, std::set<std::string>(all.begin(), all.end()));
}

TEST(AgentCrashTest, AGuestKeepsItsPidWhenTheAgentDies) {
  Lab lab;
  ASSERT_THAT(lab.Start(), IsOk());
  ASSERT_THAT(lab.AsRoot().Finish(lab.AsRoot().Launch(Launch())), IsOk());
  const v1::Guest before = *lab.AsRoot().Get(kGuest);

  lab.KillAgent();
  ASSERT_THAT(lab.AwaitAgent(), IsOk());

  const absl::StatusOr<std::vector<v1::Guest>> guests = lab.AsRoot().List();
  ASSERT_THAT(guests, IsOk());
  ASSERT_EQ(guests->size(), 1u);
  EXPECT_EQ(guests->front().uid(), before.uid());
  EXPECT_EQ(guests->front().process().pid(), before.process().pid());
  EXPECT_EQ(guests->front().state(), v1::Guest::PAUSED);
}

TEST(AgentCrashTest, ALostDatabaseIsRebuiltFromManifests) {
  Lab lab;
  ASSERT_THAT(lab.Start(), IsOk());
  ASSERT_THAT(lab.AsRoot().Finish(lab.AsRoot().Launch(Launch())), IsOk());
  const v1::Guest before = *lab.AsRoot().Get(kGuest);

  lab.KillAll();
  lab.DeleteDatabase();
  ASSERT_THAT(lab.Start(), IsOk());

  const absl::StatusOr<std::vector<v1::Guest>> guests = lab.AsRoot().List();
  ASSERT_THAT(guests, IsOk());
  ASSERT_EQ(guests->size(), 1u);
  const v1::Guest& after = guests->front();
  EXPECT_EQ(after.uid(), before.uid());
  EXPECT_EQ(after.owner(), before.owner());
  EXPECT_EQ(after.spec().SerializeAsString(),
            before.spec().SerializeAsString());
  EXPECT_EQ(after.process().pid(), before.process().pid());
  EXPECT_EQ(after.state(), v1::Guest::PAUSED);
}

TEST(AgentCrashTest, AGuestThatEndedWhileNoAgentWatchedIsFailed) {
  Lab lab;
  ASSERT_THAT(lab.Start(), IsOk());
  ASSERT_THAT(lab.AsRoot().Finish(lab.AsRoot().Launch(Launch())), IsOk());
  const int64_t pid = lab.AsRoot().Get(kGuest)->process().pid();

  lab.KillAll();
  ASSERT_EQ(kill(static_cast<pid_t>(pid), SIGKILL), 0);
  ASSERT_TRUE(Eventually([&] { return !Lives(pid); }));
  ASSERT_THAT(lab.Start(), IsOk());

  const absl::StatusOr<v1::Guest> guest = lab.AsRoot().Get(kGuest);
  ASSERT_THAT(guest, IsOk());
  EXPECT_EQ(guest->state(), v1::Guest::FAILED);
  EXPECT_EQ(guest->exit().signal(), SIGKILL);
  lab.CheckNothingLeft();
}

}  // namespace
}  // namespace innkeeper
