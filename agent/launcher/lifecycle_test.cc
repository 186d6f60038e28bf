// Guests and what is left of them when launcher, QEMU or a launch die.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "agent/launch/launch_plan.h"
#include "agent/launcher/cgroup.h"
#include "agent/launcher/proc.h"
#include "agent/launcher/testing/launcher_harness.h"
#include "agent/launcher/testing/test_network.h"
#include "base/error.h"
#include "base/file.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "base/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::vector<std::string> Failpoints(const LauncherHarness& harness) {
  FILE* const pipe =
      popen((harness.launcher_binary() + " --list-failpoints").c_str(), "r");
  std::string text;
  char buffer[4096];
  size_t got;
  while ((got = fread(buffer, 1, sizeof(buffer), pipe)) > 0) {
    text.append(buffer, got);
  }
  pclose(pipe);
  return absl::StrSplit(text, '\n', absl::SkipEmpty());
}

TEST(LifecycleTest, ReleaseLeavesNothingAndMayBeRepeated) {
  LauncherHarness harness;
  ASSERT_THAT(harness.Start(), IsOk());
  ASSERT_THAT(harness.Launch(harness.QemuPlan("gone")), IsOk());
  ASSERT_FALSE(harness.Leftovers().empty());

  EXPECT_THAT(harness.Release("gone"), IsOk());
  EXPECT_THAT(harness.Leftovers(), IsEmpty());
  EXPECT_THAT(harness.Release("gone"), IsOk());
  EXPECT_THAT(harness.Release("never-there"), IsOk());
}

TEST(LifecycleTest, KillEndsProcessesAndKeepsTheRest) {
  LauncherHarness harness;
  ASSERT_THAT(harness.Start(), IsOk());
  const auto launched = harness.Launch(harness.QemuPlan("killed"));
  ASSERT_THAT(launched, IsOk());

  ASSERT_THAT(harness.Kill("killed"), IsOk());

  EXPECT_FALSE(IsRunning(launched->pid, launched->start_time_ticks));
  EXPECT_THAT(harness.List(),
              IsOkAndHolds(ElementsAre(
                  AllOf(Field(&KnownGuest::guest, "killed"),
                        Field(&KnownGuest::running, false),
                        Field(&KnownGuest::manifest, "manifest of killed")))));
  EXPECT_TRUE(fs::exists(harness.guest_dir("killed") + "/log"));
  EXPECT_THAT(harness.Kill("killed"), IsOk());
  EXPECT_THAT(harness.Kill("unknown"), HasReason(reason::kGuestNotFound));
  EXPECT_THAT(harness.Launch(harness.QemuPlan("killed")),
              HasReason(reason::kGuestExists));
}

TEST(LifecycleTest, GuestOutlivesItsLauncherAndIsFoundAgain) {
  LauncherHarness harness;
  ASSERT_THAT(harness.Start(), IsOk());
  const auto launched = harness.Launch(harness.QemuPlan("stays"));
  ASSERT_THAT(launched, IsOk());
  const auto ended = harness.Launch(harness.FakePlan("ended", {"exit", "3"}));
  ASSERT_THAT(ended, IsOk());
  ASSERT_TRUE(Eventually(
      [&] { return fs::exists(harness.guest_dir("ended") + "/log/exit"); }));

  harness.Kill();
  ASSERT_THAT(harness.Start(), IsOk());

  const auto listed = harness.List();
  ASSERT_THAT(listed, IsOk());
  ASSERT_EQ(listed->size(), 2u);
  EXPECT_EQ((*listed)[0].guest, "ended");
  EXPECT_FALSE((*listed)[0].running);
  EXPECT_EQ((*listed)[1].guest, "stays");
  EXPECT_TRUE((*listed)[1].running);
  EXPECT_EQ((*listed)[1].pid, launched->pid);
  EXPECT_EQ((*listed)[1].keeper_pid, launched->keeper_pid);
  EXPECT_EQ((*listed)[1].unix_uid, launched->unix_uid);
  EXPECT_EQ((*listed)[1].start_time_ticks, launched->start_time_ticks);
  EXPECT_EQ((*listed)[1].manifest, "manifest of stays");
  // Its uids stay its own.
  const auto other = harness.Launch(harness.FakePlan("other", {"sleep"}));
  ASSERT_THAT(other, IsOk());
  EXPECT_NE(other->unix_uid, launched->unix_uid);
}

TEST(LifecycleTest, ListPagesThroughManifestsThatFillMoreThanOneMessage) {
  LauncherHarness harness;
  ASSERT_THAT(harness.Start(), IsOk());
  for (const char* guest : {"a", "b", "c"}) {
    LaunchPlan plan = harness.FakePlan(guest, {"sleep"});
    plan.manifest = std::string(kMaxManifestBytes, guest[0]);
    ASSERT_THAT(harness.Launch(plan), IsOk());
  }

  const auto listed = harness.List();

  ASSERT_THAT(listed, IsOk());
  ASSERT_EQ(listed->size(), 3u);
  for (const KnownGuest& guest : *listed) {
    EXPECT_EQ(guest.manifest, std::string(kMaxManifestBytes, guest.guest[0]));
  }
}

TEST(LifecycleTest, WhateverAKeeperLeavesInItsLogDirectoryIsRemoved) {
  LauncherHarness harness;
  ASSERT_THAT(harness.Start(), IsOk());
  ASSERT_THAT(harness.Launch(harness.FakePlan("deep", {"sleep"})), IsOk());
  const std::string outside = harness.dir() + "/outside";
  fs::create_directory(outside);
  std::ofstream(outside + "/canary") << "canary";
  const std::string log = harness.guest_dir("deep") + "/log";
  UniqueFd at(open(log.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // Deeper than a path may be long and than there are descriptors; the names
  // are those that the launcher would like to use.
  for (int depth = 0; depth < 3000; ++depth) {
    ASSERT_EQ(symlinkat(outside.c_str(), at.get(), "link"), 0);
    ASSERT_EQ(mkdirat(at.get(), "1", 0700), 0);
    at.reset(openat(at.get(), "1", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    ASSERT_TRUE(at.valid());
  }
  for (int i = 0; i < 3000; ++i) {
    ASSERT_EQ(mkdirat(at.get(), absl::StrCat("d", i).c_str(), 0700), 0);
  }

  EXPECT_THAT(harness.Release("deep"), IsOk());

  EXPECT_THAT(harness.Leftovers(), IsEmpty());
  EXPECT_THAT(ReadFile(outside + "/canary", 64), IsOkAndHolds("canary"));
}

TEST(LifecycleTest, FailedExecNamesTheStepAndLeavesNothing) {
  LauncherHarness harness;
  ASSERT_THAT(harness.Start(), IsOk());
  const LaunchPlan plan = harness.FakePlan("noexec", {"sleep"});
  std::ofstream(harness.fake_qemu(), std::ios::trunc) << "not a program";

  const auto launched = harness.Launch(plan);

  EXPECT_THAT(launched, StatusIs(absl::StatusCode::kInternal,
                                 HasSubstr("failed at exec_qemu")));
  EXPECT_THAT(launched, HasReason(reason::kGuestLaunchFailed));
  const ErrorDetails details = DetailsOf(launched.status());
  EXPECT_EQ(details.metadata.at("step"), "exec_qemu");
  EXPECT_EQ(details.metadata.at("errno"), absl::StrCat(ENOEXEC));
  EXPECT_THAT(harness.Leftovers(), IsEmpty());
}

TEST(LifecycleTest, FreedUidsComeBackLast) {
  LauncherHarness harness;
  ASSERT_THAT(harness.Start(), IsOk());
  const auto first = harness.Launch(harness.FakePlan("a", {"sleep"}));
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(harness.Release("a"), IsOk());
  harness.Kill();
  ASSERT_THAT(harness.Start(), IsOk());

  const auto second = harness.Launch(harness.FakePlan("a", {"sleep"}));

  ASSERT_THAT(second, IsOk());
  EXPECT_EQ(second->unix_uid, first->unix_uid + 2);
}

TEST(LifecycleTest, LauncherKilledAnywhereLeavesAGuestOrNothing) {
  TestNetwork network;
  LauncherHarness harness;
  const std::vector<std::string> flags = {network.Flag("lan")};
  LaunchPlan plan = harness.QemuPlan("doomed");
  AddTap("lan", "52:54:00:00:00:0d", {"192.0.2.13"}, 20, &plan);
  // Every part that a launcher has to take back.
  plan.context.namespaces.user = NamespaceMode::kNew;
  plan.context.cgroup.slice = "batch";
  plan.context.cgroup.io_reads_per_second = 1000;
  plan.firmware = PlannedFirmware::kUefi;
  plan.fds.push_back({7, FdKind::kFirmwareCode, 0});
  plan.fds.push_back({8, FdKind::kFirmwareVariables, 0});
  const std::vector<std::string> failpoints = Failpoints(harness);
  ASSERT_GE(failpoints.size(), 18u);
  for (const std::string& failpoint : failpoints) {
    SCOPED_TRACE(failpoint);
    const std::string log = harness.dir() + "/reached";
    ASSERT_THAT(harness.Start({"INNKEEPER_FAILPOINT=" + failpoint,
                               "INNKEEPER_FAILPOINT_LOG=" + log},
                              flags),
                IsOk());
    // The four calls pass every failpoint; the last ones fail once it died.
    harness.Launch(plan).status().IgnoreError();
    harness.Kill("doomed").IgnoreError();
    harness.Release("doomed").IgnoreError();
    harness.Forget(plan.uid).IgnoreError();
    ASSERT_TRUE(harness.WaitForEnd()) << "never reached";
    EXPECT_EQ(ReadFile(log, 4096).value_or(""), failpoint + "\n");
    fs::remove(log);

    ASSERT_THAT(harness.Start({}, flags), IsOk());

    const auto listed = harness.List();
    ASSERT_THAT(listed, IsOk());
    const bool half_done = absl::StartsWith(failpoint, "launcher.launch.") &&
                           failpoint != "launcher.launch.record_launched";
    if (!half_done) {
      // What a guest keeps outlives its release.
      ASSERT_THAT(harness.Release("doomed"), IsOk());
      EXPECT_EQ(fs::exists(harness.state_dir() + "/guests/" + plan.uid),
                failpoint != "launcher.forget.done");
      ASSERT_THAT(harness.Forget(plan.uid), IsOk());
    }
    if (listed->empty()) {
      // Orphans that saw the launcher go end by themselves, in no time.
      EXPECT_TRUE(Eventually([&] { return harness.Leftovers().empty(); }))
          << testing::PrintToString(harness.Leftovers());
    } else {
      EXPECT_THAT(harness.Release("doomed"), IsOk());
      EXPECT_THAT(harness.Leftovers(), IsEmpty());
    }
    EXPECT_THAT(network.TapNames(), IsEmpty());
    EXPECT_THAT(network.Filter(harness.instance()), Not(HasSubstr("elements")));
    // The id can be used again.
    EXPECT_THAT(harness.Launch(harness.FakePlan("doomed", {"sleep"})), IsOk());
    EXPECT_THAT(harness.Release("doomed"), IsOk());
    ASSERT_EQ(harness.Stop(), 0);
  }
}

TEST(LifecycleTest, ForeignGroupOfAGuestsNameIsLeftAlone) {
  LauncherHarness harness;
  ASSERT_THAT(harness.Start(), IsOk());
  Cgroups foreign(
      ParseCgroupMounts(ReadFile("/proc/self/mountinfo", 1 << 22).value_or("")),
      "innkeeper-" + harness.instance());
  ASSERT_THAT(foreign.Prepare(), IsOk());
  ASSERT_THAT(foreign.Make("theirs", {64 << 20, 0, 16}), IsOk());
  const pid_t child = fork();
  if (child == 0) {
    while (true) pause();
  }
  for (const std::string& group : harness.CgroupsOf("theirs")) {
    std::ofstream(group + "/cgroup.procs") << child;
  }

  EXPECT_THAT(harness.Launch(harness.FakePlan("theirs", {"sleep"})),
              HasReason(reason::kGuestExists));
  EXPECT_THAT(harness.Release("theirs"), IsOk());
  harness.Kill();
  ASSERT_THAT(harness.Start(), IsOk());

  EXPECT_EQ(waitpid(child, nullptr, WNOHANG), 0);
  EXPECT_THAT(foreign.Members("theirs"), ElementsAre(child));
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_THAT(foreign.Remove("theirs", absl::Seconds(5)), IsOk());
}

TEST(LifecycleTest, StoppedLauncherRemovesItsOwnGroups) {
  LauncherHarness harness;
  ASSERT_THAT(harness.Start(), IsOk());
  ASSERT_THAT(harness.CgroupsOf(""), testing::Not(IsEmpty()));

  ASSERT_EQ(harness.Stop(), 0);

  EXPECT_THAT(harness.CgroupsOf(""), IsEmpty());
}

TEST(LifecycleTest, LostAgentIsStartedAgainWithItsGuestsRunning) {
  LauncherHarness harness;
  ASSERT_THAT(harness.Start(), IsOk());
  const auto launched = harness.Launch(harness.FakePlan("a", {"sleep"}));
  ASSERT_THAT(launched, IsOk());
  const absl::Time before = absl::Now();

  harness.Disconnect();
  ASSERT_THAT(harness.Connect(), IsOk());

  EXPECT_GE(absl::Now() - before, absl::Milliseconds(190));
  EXPECT_TRUE(IsRunning(launched->pid, launched->start_time_ticks));
  EXPECT_THAT(harness.List(),
              IsOkAndHolds(ElementsAre(Field(&KnownGuest::guest, "a"))));
}

TEST(LifecycleTest, SecondLauncherOfAnInstanceIsRefused) {
  LauncherHarness harness;
  ASSERT_THAT(harness.Start(), IsOk());

  const int status = system(
      absl::StrCat(
          harness.launcher_binary(), " --instance=", harness.instance(),
          " --agent=", harness.dir(),
          "/relay_agent --agent-user=65534:65534 --run-dir=", harness.run_dir(),
          " --state-dir=", harness.state_dir(), " --keeper=", harness.dir(),
          "/innkeeper-keeper 2>", harness.dir(), "/second")
          .c_str());

  EXPECT_NE(status, 0);
  EXPECT_THAT(ReadFile(harness.dir() + "/second", 4096),
              IsOkAndHolds(HasSubstr("another launcher of this instance")));
}

TEST(LifecycleTest, RangeOfUidsWithoutThoseOfALiveGuestIsRefused) {
  LauncherHarness harness;
  ASSERT_THAT(harness.Start(), IsOk());
  const auto launched = harness.Launch(harness.FakePlan("lives", {"sleep"}));
  ASSERT_THAT(launched, IsOk());
  harness.Kill();

  const int status = system(
      absl::StrCat(
          harness.launcher_binary(), " --instance=", harness.instance(),
          " --agent=", harness.dir(),
          "/relay_agent --agent-user=65534:65534 --run-dir=", harness.run_dir(),
          " --state-dir=", harness.state_dir(), " --keeper=", harness.dir(),
          "/innkeeper-keeper --uid-base=1891000000 2>", harness.dir(), "/moved")
          .c_str());

  EXPECT_NE(status, 0);
  EXPECT_THAT(ReadFile(harness.dir() + "/moved", 4096),
              IsOkAndHolds(AllOf(
                  HasSubstr(absl::StrCat("'lives' (", launched->unix_uid, ")")),
                  HasSubstr("--uid-base=1891000000"),
                  HasSubstr("start the launcher"))));
  // Nothing was done to the guest, and the old range finds it.
  EXPECT_TRUE(IsRunning(launched->pid, launched->start_time_ticks));
  ASSERT_THAT(harness.Start(), IsOk());
  EXPECT_THAT(harness.List(),
              IsOkAndHolds(ElementsAre(Field(&KnownGuest::running, true))));
}

TEST(LifecycleTest, RangeOfUidsMayMoveAsLongAsItHoldsTheLiveGuests) {
  LauncherHarness harness;
  ASSERT_THAT(harness.Start(), IsOk());
  const auto launched = harness.Launch(harness.FakePlan("lives", {"sleep"}));
  ASSERT_THAT(launched, IsOk());
  harness.Kill();

  // By an odd number, so that no pair of the new range is one of the old.
  ASSERT_THAT(harness.Start({}, {absl::StrCat("--uid-base=", kTestUidBase - 1),
                                 "--uid-count=1001"}),
              IsOk());

  EXPECT_THAT(harness.List(), IsOkAndHolds(ElementsAre(Field(
                                  &KnownGuest::unix_uid, launched->unix_uid))));
  for (const char* guest : {"a", "b", "c"}) {
    const auto other = harness.Launch(harness.FakePlan(guest, {"sleep"}));
    ASSERT_THAT(other, IsOk());
    EXPECT_TRUE(other->unix_uid + 1 < launched->unix_uid ||
                other->unix_uid > launched->unix_uid + 1)
        << other->unix_uid << " beside " << launched->unix_uid;
  }
}

TEST(LifecycleTest, AgentRunsWithoutPrivilegeAndWithTheSocketOnly) {
  LauncherHarness harness;
  ASSERT_THAT(harness.Start(), IsOk());
  int64_t agent = 0;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    std::error_code error;
    if (fs::read_symlink(entry.path() / "exe", error) ==
        harness.dir() + "/relay_agent") {
      agent = std::stoll(entry.path().filename());
    }
  }
  ASSERT_NE(agent, 0);

  const std::string status =
      ReadFile(absl::StrCat("/proc/", agent, "/status"), 1 << 16).value_or("");
  EXPECT_THAT(status, HasSubstr("Uid:\t65534\t65534\t65534\t65534\n"));
  EXPECT_THAT(status, HasSubstr("Gid:\t65534\t65534\t65534\t65534\n"));
  EXPECT_THAT(status, HasSubstr("CapBnd:\t0000000000000000\n"));
  EXPECT_THAT(status, HasSubstr("CapPrm:\t0000000000000000\n"));
  EXPECT_THAT(status, HasSubstr("NoNewPrivs:\t1\n"));
  // In a session of its own, it cannot type on the launcher's terminal.
  EXPECT_EQ(getsid(static_cast<pid_t>(agent)), agent);
  EXPECT_THAT(
      ReadFile(absl::StrCat("/proc/", agent, "/limits"), 1 << 16).value_or(""),
      testing::ContainsRegex("Max core file size +1 +1 "));
  EXPECT_THAT(
      ReadFile(absl::StrCat("/proc/", agent, "/environ"), 1 << 16).value_or(""),
      HasSubstr("INNKEEPER_LAUNCHER_FD=3"));
}

}  // namespace
}  // namespace innkeeper
