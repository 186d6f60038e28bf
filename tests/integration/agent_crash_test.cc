// The agent dies by SIGKILL, at every point that it names and at worse times.
// Afterwards a guest runs and is listed once under the same pid, or nothing of
// it is left.
#include <signal.h>

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/testing/status_matchers.h"
#include "base/uuid.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/caller.h"
#include "tests/integration/lab.h"

namespace innkeeper {
namespace {

using google::longrunning::Operation;

constexpr char kGuest[] = "web";

// What is being done to the guest when the agent dies.
enum class Verb { kLaunch, kStop, kDelete };

constexpr std::pair<Verb, const char*> kVerbs[] = {{Verb::kLaunch, "launch"},
                                                   {Verb::kStop, "stop"},
                                                   {Verb::kDelete, "delete"}};

v1::LaunchGuestRequest Launch() {
  v1::LaunchGuestRequest request = PausedGuest(kGuest, "user/tenant-a");
  request.set_request_id(MakeUuid());
  return request;
}

// Answers as soon as the call is over, however: the agent may die under it.
absl::StatusOr<Operation> Do(const Caller& caller, Verb verb,
                             const v1::LaunchGuestRequest& launch) {
  switch (verb) {
    case Verb::kLaunch:
      return caller.Launch(launch);
    case Verb::kStop:
      return caller.Stop(kGuest, /*force=*/true);
    case Verb::kDelete:
      return caller.Delete(kGuest);
  }
  return absl::InternalError("no such verb");
}

// Every operation that the agent has on record has ended.
bool NothingIsUnfinished(const Caller& caller) {
  const auto listed = caller.Call(
      &google::longrunning::Operations::Stub::ListOperations,
      caller.operations(), google::longrunning::ListOperationsRequest());
  EXPECT_THAT(listed, IsOk());
  if (!listed.ok()) return false;
  for (const Operation& operation : listed->operations()) {
    if (!operation.done()) return false;
  }
  return true;
}

// Whether process `pid` is there, whoever is asked.
bool Lives(int64_t pid) { return kill(static_cast<pid_t>(pid), 0) == 0; }

// The guest is listed once with a process that lives, or without one and
// nothing is there, or not at all. Soon: a list may be a moment older than the
// end of an operation.
void CheckWholeOrGone(const Lab& lab, const Caller& caller) {
  std::string seen;
  const bool settled = Eventually([&] {
    const absl::StatusOr<std::vector<v1::Guest>> guests = caller.List();
    if (!guests.ok() || guests->size() > 1) {
      seen = guests.status().ToString();
      return false;
    }
    if (guests->empty()) return lab.Leftovers().empty();
    const v1::Guest& guest = guests->front();
    seen = guest.ShortDebugString();
    if (guest.has_process()) {
      return guest.state() == v1::Guest::PAUSED && Lives(guest.process().pid());
    }
    return lab.Leftovers().empty() && (guest.state() == v1::Guest::STOPPED ||
                                       guest.state() == v1::Guest::FAILED);
  });
  EXPECT_TRUE(settled) << seen;
}

// One death: what is being done, where, and which time that place is passed.
struct Death {
  Verb verb;
  std::string verb_name;
  std::string failpoint;
  int count = 1;
};

// Each failpoint under each verb that passes it. The store is passed twice by
// every verb: when the request is accepted and when it has been carried out;
// before a stop once more, when the guest is adopted.
std::vector<Death> Deaths() {
  std::vector<Death> deaths;
  for (const auto& [verb, name] : kVerbs) {
    for (const std::string& failpoint : Lab::AgentFailpoints()) {
      const auto is = [&](const char* part) {
        return absl::StrContains(failpoint, part);
      };
      const bool foreign =
          ((is(".launch.") || is(".driver.")) && verb != Verb::kLaunch) ||
          ((is(".stop.") || is(".exit.")) && verb != Verb::kStop) ||
          (is(".delete.") && verb != Verb::kDelete);
      if (foreign) continue;
      const int first = is(".store.") && verb == Verb::kStop ? 2 : 1;
      const int last = is(".store.") ? first + 1 : first;
      for (int count = first; count <= last; ++count) {
        deaths.push_back({verb, name, failpoint, count});
      }
    }
  }
  return deaths;
}

// Brings about `death` on an empty host, and leaves an empty host.
void Die(Lab& lab, const Death& death) {
  const v1::LaunchGuestRequest launch = Launch();
  int64_t pid = 0;
  ASSERT_THAT(lab.Start(), IsOk());
  if (death.verb != Verb::kLaunch) {
    const Caller caller = lab.AsRoot();
    ASSERT_THAT(caller.Finish(caller.Launch(launch)), IsOk());
    pid = caller.Get(kGuest)->process().pid();
    if (death.verb == Verb::kDelete) {
      ASSERT_THAT(caller.Finish(caller.Stop(kGuest, true)), IsOk());
    }
  }
  lab.KillAll();
  lab.ArmFailpoint(absl::StrCat(death.failpoint, "#", death.count));
  ASSERT_THAT(lab.Start(), IsOk());

  // The agent may die before it answers, or after.
  const absl::StatusOr<Operation> begun = Do(lab.AsRoot(), death.verb, launch);
  ASSERT_TRUE(Eventually([&] { return lab.FailpointReached(); }))
      << "was not reached: " << begun.status();
  ASSERT_THAT(lab.AwaitAgent(), IsOk());

  const Caller caller = lab.AsRoot();
  EXPECT_TRUE(Eventually([&] { return NothingIsUnfinished(caller); }));
  CheckWholeOrGone(lab, caller);
  // What was promised has been kept.
  if (begun.ok()) {
    EXPECT_THAT(caller.Finish(begun), IsOk());
  }
  const absl::StatusOr<v1::Guest> guest = caller.Get(kGuest);
  if (pid != 0 && guest.ok() && guest->has_process()) {
    EXPECT_EQ(guest->process().pid(), pid);
  }
  if (death.verb == Verb::kLaunch) {
    // The same request again has one outcome, and makes no second guest.
    EXPECT_THAT(caller.Finish(caller.Launch(launch)), IsOk());
    const absl::StatusOr<v1::Guest> now = caller.Get(kGuest);
    ASSERT_THAT(now, IsOk());
    if (guest.ok()) {
      EXPECT_EQ(now->process().pid(), guest->process().pid());
    }
  }
  const absl::StatusOr<std::vector<v1::Guest>> left = caller.List();
  ASSERT_THAT(left, IsOk());
  for (const v1::Guest& one : *left) {
    if (one.has_process()) {
      EXPECT_THAT(caller.Finish(caller.Stop(kGuest, true)), IsOk());
    }
    EXPECT_THAT(caller.Finish(caller.Delete(kGuest)), IsOk());
  }
  lab.CheckNothingLeft();
  lab.KillAll();
}

TEST(AgentCrashTest, NothingIsLostOrDoubledAtAnyFailpoint) {
  const std::vector<Death> deaths = Deaths();
  std::set<std::string> covered;
  Lab lab;

  for (const Death& death : deaths) {
    SCOPED_TRACE(absl::StrCat(death.verb_name, " at ", death.failpoint, "#",
                              death.count));
    ASSERT_NO_FATAL_FAILURE(Die(lab, death));
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
