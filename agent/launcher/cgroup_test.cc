#include "agent/launcher/cgroup.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/file.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "base/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

TEST(CgroupTest, LayoutsAreTakenFromTheMounts) {
  const CgroupLayout hybrid = ParseCgroupMounts(
      "32 31 0:29 / /cg/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
      "35 31 0:32 / /cg/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n"
      "40 31 0:37 / /cg/systemd rw - cgroup cgroup rw,name=systemd\n"
      "41 31 0:38 / /cg/unified rw - cgroup2 cgroup2 rw\n"
      "27 1 254:0 / / rw - ext4 /dev/vda rw\n");
  EXPECT_EQ(hybrid.unified, "/cg/unified");
  EXPECT_THAT(hybrid.v1, ElementsAre(Pair("cpu", "/cg/cpu,cpuacct"),
                                     Pair("memory", "/cg/memory")));

  const CgroupLayout unified = ParseCgroupMounts(
      "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n");
  EXPECT_EQ(unified.unified, "/sys/fs/cgroup");
  EXPECT_THAT(unified.v1, IsEmpty());
  EXPECT_EQ(ParseCgroupMounts("garbage\n - \n\n").unified, "");
}

TEST(CgroupTest, HostWithoutLimitsIsRefused) {
  Cgroups cgroups(CgroupLayout(), "innkeeper-test");

  EXPECT_THAT(cgroups.Prepare(),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

// Kills without version 2, as on a host that has only version 1.
TEST(CgroupTest, VersionOneAloneKillsByFreezing) {
  CgroupLayout layout =
      ParseCgroupMounts(ReadFile("/proc/self/mountinfo", 1 << 22).value_or(""));
  if (layout.v1.count("freezer") == 0) {
    GTEST_SKIP() << "NOT RUN: this host has no version 1 hierarchies";
  }
  layout.unified.clear();
  Cgroups cgroups(layout, absl::StrCat("innkeeper-v1-", getpid()));
  ASSERT_THAT(cgroups.Prepare(), IsOk());
  ASSERT_THAT(cgroups.Make("g", {64 << 20, 100, 16}), IsOk());
  const absl::StatusOr<std::vector<UniqueFd>> groups = cgroups.OpenV1("g");
  ASSERT_THAT(groups, IsOk());
  ASSERT_FALSE(groups->empty());
  int entered[2];
  ASSERT_EQ(pipe(entered), 0);
  const pid_t child = fork();
  if (child == 0) {
    for (const UniqueFd& group : *groups) {
      if (!EnterCgroup(group.get()).ok()) _exit(1);
    }
    if (write(entered[1], "e", 1) != 1) _exit(1);
    while (true) pause();
  }
  close(entered[1]);
  char word;
  ASSERT_EQ(read(entered[0], &word, 1), 1);
  close(entered[0]);
  ASSERT_THAT(cgroups.Members("g"), ElementsAre(child));

  // Without a descriptor to read its members with, the group is not empty.
  rlimit descriptors;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &descriptors), 0);
  const rlimit none = {0, descriptors.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  const absl::Status blind = cgroups.Kill("g", absl::Seconds(5));
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &descriptors), 0);
  EXPECT_FALSE(blind.ok());
  EXPECT_EQ(waitpid(child, nullptr, WNOHANG), 0);

  EXPECT_THAT(cgroups.Kill("g", absl::Seconds(5)), IsOk());

  int status;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_THAT(cgroups.Remove("g", absl::Seconds(5)), IsOk());
  EXPECT_THAT(cgroups.Remove("g", absl::Seconds(5)), IsOk());
  EXPECT_THAT(cgroups.List(), IsEmpty());
  cgroups.RemoveParents();
}

}  // namespace
}  // namespace innkeeper
