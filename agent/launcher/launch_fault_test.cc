// What a host runs out of, or cannot make, fails one launch and leaves nothing.
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "agent/launcher/testing/launcher_harness.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

namespace fs = std::filesystem;
using testing::IsEmpty;
using testing::SizeIs;

// Fails the test unless `status` is of a launch that failed at `step`.
void ExpectFailedAt(const absl::Status& status, const std::string& step) {
  EXPECT_THAT(status, HasReason(reason::kGuestLaunchFailed));
  EXPECT_EQ(DetailsOf(status).metadata["step"], step) << status;
}

TEST(LaunchFaultTest, DryUidPoolLeavesNothingOfTheLaunch) {
  LauncherHarness harness;
  ASSERT_THAT(harness.Start({}, {"--uid-count=4"}), IsOk());
  ASSERT_THAT(harness.Launch(harness.FakePlan("a", {"sleep"})), IsOk());
  ASSERT_THAT(harness.Launch(harness.FakePlan("b", {"sleep"})), IsOk());
  const std::vector<std::string> before = harness.Leftovers();

  EXPECT_THAT(harness.Launch(harness.FakePlan("c", {"sleep"})),
              HasReason(reason::kUidPoolExhausted));

  EXPECT_EQ(harness.Leftovers(), before);
  EXPECT_THAT(harness.CgroupsOf("c"), IsEmpty());
  EXPECT_THAT(harness.List(), IsOkAndHolds(SizeIs(2)));
}

TEST(LaunchFaultTest, GroupThatCannotBeMadeLeavesNothingOfTheLaunch) {
  LauncherHarness harness;
  ASSERT_THAT(harness.Start(), IsOk());
  // Version 2 counts what is below a group; version 1 has no such limit.
  std::string limit;
  for (const std::string& parent : harness.CgroupsOf("")) {
    if (fs::exists(parent + "cgroup.max.descendants")) {
      limit = parent + "cgroup.max.descendants";
    }
  }
  ASSERT_FALSE(limit.empty()) << "no cgroup2 is mounted here";
  std::ofstream(limit) << "0";

  const auto failed = harness.Launch(harness.FakePlan("a", {"sleep"}));

  ExpectFailedAt(failed.status(), "make_cgroups");
  EXPECT_THAT(harness.Leftovers(), IsEmpty());
  EXPECT_THAT(harness.CgroupsOf("a"), IsEmpty());
  std::ofstream(limit) << "max";
  EXPECT_THAT(harness.Launch(harness.FakePlan("a", {"sleep"})), IsOk());
}

TEST(LaunchFaultTest, MountThatCannotBeMadeLeavesNothingOfTheLaunch) {
  LauncherHarness harness;
  ASSERT_THAT(harness.Start(), IsOk());
  const std::string mount_point = harness.run_dir() + "/jail";
  fs::remove(mount_point);

  for (const bool is_file : {false, true}) {
    if (is_file) std::ofstream(mount_point) << "in the way";
    const auto failed = harness.Launch(harness.FakePlan("a", {"sleep"}));

    ExpectFailedAt(failed.status(), "enter_root");
    EXPECT_THAT(harness.Leftovers(), IsEmpty());
    EXPECT_THAT(harness.CgroupsOf("a"), IsEmpty());
  }
  fs::remove(mount_point);
  fs::create_directory(mount_point);
  EXPECT_THAT(harness.Launch(harness.FakePlan("a", {"sleep"})), IsOk());
}

TEST(LaunchFaultTest, GuestDirectoryThatCannotBeMadeLeavesNothingOfTheLaunch) {
  LauncherHarness harness;
  ASSERT_THAT(harness.Start(), IsOk());
  const std::string guests = harness.run_dir() + "/guests";
  fs::rename(guests, guests + ".away");
  std::ofstream(guests) << "in the way";

  const auto failed = harness.Launch(harness.FakePlan("a", {"sleep"}));

  ExpectFailedAt(failed.status(), "make_guest_dir");
  fs::remove(guests);
  fs::rename(guests + ".away", guests);
  EXPECT_THAT(harness.Release("a"), IsOk());
  EXPECT_THAT(harness.Leftovers(), IsEmpty());
  EXPECT_THAT(harness.Launch(harness.FakePlan("a", {"sleep"})), IsOk());
}

}  // namespace
}  // namespace innkeeper
