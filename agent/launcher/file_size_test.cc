// How large a guest's files can get, asked by a QEMU that has been taken over.
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/match.h"
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
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr int64_t kMiB = 1 << 20;

class FileSizeTest : public testing::Test {
 protected:
  // A guest with a file of `bytes` on descriptor 7, which may get as large as
  // `max_bytes` and which it tries to make larger.
  LaunchPlan GrowingPlan(const std::string& guest, int64_t bytes,
                         int64_t max_bytes) {
    std::ofstream(Disk(guest)).close();
    fs::resize_file(Disk(guest), static_cast<uintmax_t>(bytes));
    LaunchPlan plan =
        harness_.FakePlan(guest, {"grow", "7", absl::StrCat(max_bytes)});
    plan.images = {{"disks", guest + ".img", true, max_bytes}};
    plan.fds.push_back({7, FdKind::kImage, 0});
    return plan;
  }
  std::string Disk(const std::string& guest) {
    return absl::StrCat(harness_.pool_dir(), "/", guest, ".img");
  }
  // What `guest` said of its attempts, once it is done.
  std::string Attempts(const std::string& guest) {
    const std::string log = harness_.guest_dir(guest) + "/log/stderr.log";
    std::string said;
    EXPECT_TRUE(Eventually([&] {
      said = ReadFile(log, 1 << 16).value_or("");
      return absl::StrContains(said, "grow done");
    })) << said;
    return said;
  }

  LauncherHarness harness_;
};

TEST_F(FileSizeTest, WritableImageGetsNoLargerThanItsBound) {
  ASSERT_THAT(harness_.Start(), IsOk());
  ASSERT_THAT(harness_.Launch(GrowingPlan("raw", 4 * kMiB, 4 * kMiB)), IsOk());

  const std::string said = Attempts("raw");

  EXPECT_THAT(said, AllOf(HasSubstr("write_within works"),
                          HasSubstr("write_beyond refused"),
                          HasSubstr("write_beyond says EFBIG"),
                          HasSubstr("truncate_beyond refused"),
                          HasSubstr("allocate_beyond refused"),
                          HasSubstr("raise_limit refused")));
  EXPECT_EQ(fs::file_size(Disk("raw")), static_cast<uintmax_t>(4 * kMiB));
  // The signal that goes with it has not ended the process.
  ASSERT_TRUE(Eventually(
      [&] { return fs::exists(harness_.guest_dir("raw") + "/log/exit"); }));
  EXPECT_THAT(ReadFile(harness_.guest_dir("raw") + "/log/exit", 4096),
              IsOkAndHolds(HasSubstr(R"("kind":"exited","value":0)")));
}

TEST_F(FileSizeTest, ImageThatMayGrowGrowsUpToItsBound) {
  ASSERT_THAT(harness_.Start(), IsOk());
  ASSERT_THAT(harness_.Launch(GrowingPlan("thin", kMiB, 6 * kMiB)), IsOk());

  EXPECT_THAT(Attempts("thin"), AllOf(HasSubstr("write_within works"),
                                      HasSubstr("write_beyond refused"),
                                      Not(HasSubstr("ALLOWED"))));
  EXPECT_EQ(fs::file_size(Disk("thin")), static_cast<uintmax_t>(6 * kMiB));
}

TEST_F(FileSizeTest, OverlayGetsNoLargerThanWhatItsDiskNeeds) {
  ASSERT_THAT(harness_.Start(), IsOk());
  // 64 MiB, a 4096th of it for the tables, and 2 MiB.
  LaunchPlan plan = harness_.FakePlan("overlay", {"grow", "7", "69222400"});
  plan.overlays = {{64 * kMiB}};
  plan.fds.push_back({7, FdKind::kOverlay, 0});

  ASSERT_THAT(harness_.Launch(plan), IsOk());

  EXPECT_THAT(Attempts("overlay"), AllOf(HasSubstr("write_within works"),
                                         HasSubstr("write_beyond says EFBIG"),
                                         Not(HasSubstr("ALLOWED"))));
}

TEST_F(FileSizeTest, DiskBeyondWhatTheHostPermitsIsRefusedWithTheWayOut) {
  ASSERT_THAT(harness_.Start({}, {absl::StrCat("--max-file-bytes=", 8 * kMiB)}),
              IsOk());
  LaunchPlan overlay = harness_.FakePlan("overlay", {"sleep"});
  overlay.overlays = {{8 * kMiB}};

  EXPECT_THAT(harness_.Launch(GrowingPlan("more", kMiB, 8 * kMiB + 1)),
              AllOf(HasReason(reason::kLauncherRefused),
                    StatusIs(absl::StatusCode::kPermissionDenied,
                             HasSubstr("--max-file-bytes"))));
  EXPECT_THAT(harness_.Launch(overlay), HasReason(reason::kLauncherRefused));
  EXPECT_THAT(harness_.Leftovers(), IsEmpty());
  EXPECT_THAT(harness_.Launch(GrowingPlan("just", kMiB, 8 * kMiB)), IsOk());
}

}  // namespace
}  // namespace innkeeper
