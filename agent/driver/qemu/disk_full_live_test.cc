// What becomes of the real QEMU when an image meets the bound of its size.
#include <fcntl.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "agent/guest/guest_spec.h"
#include "agent/image/file_bound.h"
#include "agent/image/header_parser.h"
#include "agent/launch/launch_plan.h"
#include "agent/launch/spawner.h"
#include "agent/launcher/testing/launcher_harness.h"
#include "agent/qmp/connector.h"
#include "agent/qmp/testing/await.h"
#include "agent/qmp/testing/test_session.h"
#include "base/completion.h"
#include "base/file.h"
#include "base/testing/status_matchers.h"
#include "base/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace innkeeper {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr int64_t kMiB = 1 << 20;

class DiskFullTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_THAT(harness_.Start(), IsOk()); }

  // A QEMU with an empty qcow2 image of 64 MiB, whose file may get as large as
  // `max_bytes`.
  LaunchPlan PlanWithDisk(int64_t max_bytes) {
    const std::string disk = harness_.pool_dir() + "/disk.qcow2";
    EXPECT_EQ(
        system(
            absl::StrCat("qemu-img create -q -f qcow2 ", disk, " 64M").c_str()),
        0);
    LaunchPlan plan = harness_.QemuPlan("full");
    plan.images = {{"disks", "disk.qcow2", true, max_bytes}};
    plan.fds.push_back({7, FdKind::kImage, 0});
    const std::string file =
        R"({"driver":"file","node-name":"f","filename":"/dev/fdset/1",)"
        R"("locking":"on"})";
    plan.argv.insert(plan.argv.end(),
                     {"-add-fd", "fd=7,set=1", "-blockdev", file, "-blockdev",
                      R"({"driver":"qcow2","node-name":"d","file":"f"})"});
    return plan;
  }
  uintmax_t FileSize() {
    return std::filesystem::file_size(harness_.pool_dir() + "/disk.qcow2");
  }

  absl::StatusOr<UniqueFd> Connect(const Launched& launched) {
    return Await<absl::StatusOr<UniqueFd>>(
        harness_.loop(), [&](Completion<UniqueFd> done) {
          ConnectMonitor(harness_.loop(),
                         harness_.guest_dir("full") + "/qmp.sock",
                         {launched.pid, launched.unix_uid}, absl::Seconds(20),
                         std::move(done));
        });
  }
  // Writes `arguments` to the disk. What comes of it QEMU says on its output,
  // which it keeps until it ends.
  static void Write(TestSession& session, const std::string& arguments) {
    EXPECT_THAT(session.Run("human-monitor-command",
                            {{"command-line", absl::StrCat("qemu-io d \"write ",
                                                           arguments, "\"")}}),
                IsOk());
  }
  // Ends QEMU and returns what it said of the writes.
  std::string End(TestSession& session) {
    session.Run("quit").status().IgnoreError();
    const std::string log = harness_.guest_dir("full") + "/log/";
    EXPECT_TRUE(
        Eventually([&] { return std::filesystem::exists(log + "exit"); }));
    EXPECT_THAT(ReadFile(log + "exit", 4096),
                IsOkAndHolds(HasSubstr(R"("kind":"exited","value":0)")));
    return ReadFile(log + "stderr.log", 1 << 20).value_or("");
  }

  LauncherHarness harness_;
};

TEST_F(DiskFullTest, WriteBeyondTheBoundFailsAndTheGuestGoesOn) {
  const auto launched = harness_.Launch(PlanWithDisk(4 * kMiB));
  ASSERT_THAT(launched, IsOk());
  absl::StatusOr<UniqueFd> socket = Connect(*launched);
  ASSERT_THAT(socket, IsOk());
  TestSession session(harness_.loop(), *std::move(socket));
  ASSERT_TRUE(session.WaitReady().has_value());

  Write(session, "0 1M");
  Write(session, "8M 8M");
  // What was there before is still written, and QEMU still answers.
  Write(session, "0 64k");
  EXPECT_THAT(session.Run("query-status"), IsOk());

  EXPECT_LE(FileSize(), static_cast<uintmax_t>(4 * kMiB));
  EXPECT_THAT(End(session),
              AllOf(HasSubstr("wrote 1048576/1048576 bytes at offset 0"),
                    HasSubstr("write failed: File too large"),
                    HasSubstr("wrote 65536/65536 bytes at offset 0")));
}

TEST_F(DiskFullTest, WholeDiskFitsIntoTheBoundThatAnImageIsGiven) {
  LaunchPlan plan = PlanWithDisk(1);
  const UniqueFd disk(open((harness_.pool_dir() + "/disk.qcow2").c_str(),
                           O_RDONLY | O_CLOEXEC));
  const auto info =
      ReadImageInfo(disk.get(), DiskFormat::kQcow2, nullptr, "disk");
  ASSERT_THAT(info, IsOk());
  plan.images[0].max_bytes = MaxFileBytes(*info);
  const auto launched = harness_.Launch(plan);
  ASSERT_THAT(launched, IsOk());
  absl::StatusOr<UniqueFd> socket = Connect(*launched);
  ASSERT_THAT(socket, IsOk());
  TestSession session(harness_.loop(), *std::move(socket));
  ASSERT_TRUE(session.WaitReady().has_value());

  Write(session, "0 64M");

  EXPECT_THAT(End(session),
              HasSubstr("wrote 67108864/67108864 bytes at offset 0"));
  EXPECT_GT(FileSize(), static_cast<uintmax_t>(64 * kMiB));
}

}  // namespace
}  // namespace innkeeper
