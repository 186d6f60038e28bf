// Firmware of guests and the variables that they keep, by a real launcher.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/launch/launch_plan.h"
#include "agent/launcher/testing/launcher_harness.h"
#include "base/file.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

namespace fs = std::filesystem;
using ::testing::IsEmpty;

constexpr int kCodeFd = 7;
constexpr int kVariablesFd = 8;

LaunchPlan UefiPlan(const LauncherHarness& harness, const std::string& guest,
                    const std::vector<std::string>& arguments = {"sleep"}) {
  LaunchPlan plan = harness.FakePlan(guest, arguments);
  plan.firmware = PlannedFirmware::kUefi;
  plan.fds.push_back({kCodeFd, FdKind::kFirmwareCode, 0});
  plan.fds.push_back({kVariablesFd, FdKind::kFirmwareVariables, 0});
  return plan;
}

std::string StateOf(const LauncherHarness& harness, const LaunchPlan& plan) {
  return absl::StrCat(harness.state_dir(), "/guests/", plan.uid);
}

// Which file the process has as its descriptor.
std::string FileOf(const Launched& guest, int fd) {
  return fs::read_symlink(absl::StrCat("/proc/", guest.pid, "/fd/", fd));
}

bool MayWrite(const Launched& guest, int fd) {
  const std::string info =
      ReadFile(absl::StrCat("/proc/", guest.pid, "/fdinfo/", fd), 4096)
          .value_or("");
  const size_t at = info.find("flags:");
  return at != std::string::npos &&
         (stoul(info.substr(at + 6), nullptr, 8) & O_ACCMODE) == O_RDWR;
}

TEST(FirmwareTest, GuestReadsTheHostsCodeAndWritesVariablesOfItsOwn) {
  LauncherHarness harness;
  ASSERT_THAT(harness.Start(), IsOk());
  const LaunchPlan one = UefiPlan(harness, "one");
  const LaunchPlan other = UefiPlan(harness, "other");
  const auto first = harness.Launch(one);
  const auto second = harness.Launch(other);
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(second, IsOk());

  EXPECT_EQ(FileOf(*first, kCodeFd), "/usr/share/OVMF/OVMF_CODE_4M.fd");
  EXPECT_FALSE(MayWrite(*first, kCodeFd));
  EXPECT_EQ(FileOf(*first, kVariablesFd), StateOf(harness, one) + "/variables");
  EXPECT_TRUE(MayWrite(*first, kVariablesFd));
  EXPECT_EQ(FileOf(*second, kVariablesFd),
            StateOf(harness, other) + "/variables");
  EXPECT_EQ(*ReadFile(StateOf(harness, one) + "/variables", 1 << 20),
            *ReadFile("/usr/share/OVMF/OVMF_VARS_4M.fd", 1 << 20));
  // Root's alone: neither QEMU's uid nor the agent's reaches it by name.
  for (const std::string& path :
       {harness.state_dir() + "/guests", StateOf(harness, one)}) {
    struct stat info = {};
    ASSERT_EQ(stat(path.c_str(), &info), 0);
    EXPECT_EQ(info.st_uid, 0u) << path;
    EXPECT_EQ(info.st_mode & 0777u, 0700u) << path;
  }
  for (const LaunchPlan* plan : {&one, &other}) {
    EXPECT_THAT(harness.Release(plan->guest), IsOk());
    EXPECT_THAT(harness.Forget(plan->uid), IsOk());
  }
  EXPECT_THAT(harness.Leftovers(), IsEmpty());
}

TEST(FirmwareTest, VariablesOutliveReleaseAndLauncherUntilTheyAreForgotten) {
  LauncherHarness harness;
  ASSERT_THAT(harness.Start(), IsOk());
  const LaunchPlan plan = UefiPlan(harness, "kept");
  const std::string variables = StateOf(harness, plan) + "/variables";
  ASSERT_THAT(harness.Launch(plan), IsOk());
  ASSERT_THAT(WriteFileAtomically(variables, "written", 0600), IsOk());
  EXPECT_THAT(harness.Forget(plan.uid), HasReason(reason::kGuestNotStopped));
  ASSERT_THAT(harness.Release("kept"), IsOk());

  harness.Kill();
  ASSERT_THAT(harness.Start(), IsOk());
  ASSERT_THAT(harness.Launch(plan), IsOk());

  EXPECT_EQ(*ReadFile(variables, 64), "written");
  ASSERT_THAT(harness.Release("kept"), IsOk());
  // A guest of the same name is another guest.
  const LaunchPlan namesake = UefiPlan(harness, "kept");
  ASSERT_THAT(harness.Launch(namesake), IsOk());
  EXPECT_NE(*ReadFile(StateOf(harness, namesake) + "/variables", 1 << 20),
            "written");
  ASSERT_THAT(harness.Release("kept"), IsOk());
  EXPECT_THAT(harness.Forget(namesake.uid), IsOk());
  EXPECT_TRUE(fs::exists(variables));
  EXPECT_THAT(harness.Forget(plan.uid), IsOk());
  EXPECT_THAT(harness.Forget(plan.uid), IsOk());
  EXPECT_THAT(harness.Leftovers(), IsEmpty());
}

TEST(FirmwareTest, LaunchThatFailsTakesWithItWhatItMadeAndNothingElse) {
  LauncherHarness harness;
  ASSERT_THAT(harness.Start(), IsOk());
  LaunchPlan plan = UefiPlan(harness, "failing");
  LaunchPlan broken = plan;
  broken.images = {{"disks", "absent"}};
  broken.fds.push_back({9, FdKind::kImage, 0});

  EXPECT_THAT(harness.Launch(broken), HasReason(reason::kVolumeNotFound));
  EXPECT_THAT(harness.Leftovers(), IsEmpty());

  ASSERT_THAT(harness.Launch(plan), IsOk());
  ASSERT_THAT(harness.Release("failing"), IsOk());
  EXPECT_THAT(harness.Launch(broken), HasReason(reason::kVolumeNotFound));
  EXPECT_TRUE(fs::exists(StateOf(harness, plan) + "/variables"));
  EXPECT_THAT(harness.Forget(plan.uid), IsOk());
  EXPECT_THAT(harness.Leftovers(), IsEmpty());
}

TEST(FirmwareTest, TwoGuestsNeverHaveOneUid) {
  LauncherHarness harness;
  ASSERT_THAT(harness.Start(), IsOk());
  const LaunchPlan plan = UefiPlan(harness, "one");
  ASSERT_THAT(harness.Launch(plan), IsOk());
  LaunchPlan twin = UefiPlan(harness, "twin");
  twin.uid = plan.uid;

  EXPECT_THAT(harness.Launch(twin), HasReason(reason::kGuestExists));
  ASSERT_THAT(harness.Release("one"), IsOk());
  EXPECT_THAT(harness.Forget(plan.uid), IsOk());
}

TEST(FirmwareTest, HostWithoutTheFilesRefusesByNameAndMakesNothing) {
  LauncherHarness harness;
  ASSERT_THAT(harness.Start({}, {"--uefi-firmware=/usr/absent,/usr/absent"}),
              IsOk());

  EXPECT_THAT(harness.Launch(UefiPlan(harness, "none")),
              HasReason(reason::kFirmwareUnavailable));
  EXPECT_THAT(harness.Leftovers(), IsEmpty());
}

TEST(FirmwareTest, ForgetTakesNothingButUids) {
  LauncherHarness harness;
  ASSERT_THAT(harness.Start(), IsOk());
  for (const char* uid : {"", "..", "../launcher", "/etc"}) {
    EXPECT_THAT(harness.Forget(uid), HasReason(reason::kInvalidRequest)) << uid;
  }
  EXPECT_TRUE(fs::exists(harness.state_dir() + "/launcher/journal"));
}

}  // namespace
}  // namespace innkeeper
