// Block pools under the real launcher, with loop devices whose nodes are
// root's alone, in a tmpfs.
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/launch/launch_plan.h"
#include "agent/launcher/testing/block_lab.h"
#include "agent/launcher/testing/launcher_harness.h"
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
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

constexpr int64_t kMiB = 1 << 20;

class BlockPoolLiveTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(lab_.Add("root", 8 * kMiB));
    ASSERT_TRUE(lab_.Add("data", 4 * kMiB));
  }
  // A guest that has `volume` on descriptor 7.
  LaunchPlan PlanWith(LaunchPlan plan, const std::string& volume,
                      bool writable) {
    plan.images = {{"blocks", volume, writable, writable ? 8 * kMiB : 0}};
    plan.fds.push_back({7, FdKind::kImage, 0});
    return plan;
  }
  LaunchPlan SleepingPlan(const std::string& guest, const std::string& volume,
                          bool writable) {
    return PlanWith(harness_.FakePlan(guest, {"sleep"}), volume, writable);
  }
  LaunchPlan QemuPlan(const std::string& guest, const std::string& volume,
                      bool writable) {
    LaunchPlan plan = PlanWith(harness_.QemuPlan(guest), volume, writable);
    const std::string read_only = writable ? "false" : "true";
    plan.argv.insert(
        plan.argv.end(),
        {"-add-fd", "fd=7,set=1", "-blockdev",
         absl::StrCat(R"({"driver":"host_device","node-name":"f",)"
                      R"("filename":"/dev/fdset/1","locking":"on",)"
                      R"("auto-read-only":false,"read-only":)",
                      read_only, "}"),
         "-blockdev",
         absl::StrCat(R"({"driver":"raw","node-name":"d","file":"f",)"
                      R"("auto-read-only":false,"read-only":)",
                      read_only, "}"),
         "-device", "virtio-blk-device,drive=d"});
    return plan;
  }
  // What `guest` has said on its error output when it has ended.
  std::string LastWords(const std::string& guest) {
    const std::string log = harness_.guest_dir(guest) + "/log/";
    EXPECT_TRUE(Eventually([&] { return fs::exists(log + "exit"); }));
    return ReadFile(log + "stderr.log", 1 << 16).value_or("");
  }
  bool Ended(const std::string& guest) {
    return fs::exists(harness_.guest_dir(guest) + "/log/exit");
  }
  // Whether QEMU has its machine: it opens its monitors first.
  bool Holds(const std::string& volume) {
    const UniqueFd node(
        open(lab_.node(volume).c_str(), O_RDONLY | O_EXCL | O_CLOEXEC));
    return !node.valid() && errno == EBUSY;
  }

  BlockLab lab_;
  LauncherHarness harness_;
};

TEST_F(BlockPoolLiveTest, VolumesAreOpenedAndListedWithTheirSizes) {
  ASSERT_THAT(harness_.Start({}, lab_.flags()), IsOk());

  const auto volumes = harness_.ListVolumes();
  ASSERT_THAT(volumes, IsOk());
  ASSERT_THAT(*volumes, SizeIs(2));
  EXPECT_EQ(volumes->at(0).pool, "blocks");
  EXPECT_EQ(volumes->at(0).name, "data");
  EXPECT_EQ(volumes->at(0).bytes, 4 * kMiB);
  EXPECT_EQ(volumes->at(1).bytes, 8 * kMiB);

  const auto fd = harness_.OpenImage("blocks", "data");
  ASSERT_THAT(fd, IsOk());
  uint64_t bytes = 0;
  EXPECT_EQ(ioctl(fd->get(), BLKGETSIZE64, &bytes), 0);
  EXPECT_EQ(bytes, static_cast<uint64_t>(4 * kMiB));
  EXPECT_LT(write(fd->get(), "x", 1), 0);
  EXPECT_THAT(harness_.OpenImage("blocks", "loop0"),
              HasReason(reason::kVolumeNotFound));
  EXPECT_THAT(harness_.OpenImage("blocks", "../dev"),
              HasReason(reason::kInvalidRequest));
}

TEST_F(BlockPoolLiveTest, NodeOfAnotherDeviceIsRefused) {
  ASSERT_THAT(harness_.Start({}, lab_.flags()), IsOk());
  const std::string node = lab_.node("data");
  fs::remove(node);
  ASSERT_EQ(mknod(node.c_str(), S_IFBLK | 0600, lab_.number("root")), 0);

  EXPECT_THAT(harness_.OpenImage("blocks", "data"),
              HasReason(reason::kImageUnsupported));
  EXPECT_THAT(harness_.Launch(SleepingPlan("a", "data", true)),
              HasReason(reason::kImageUnsupported));
  fs::remove(node);
  fs::create_symlink(lab_.node("root"), node);
  EXPECT_THAT(harness_.OpenImage("blocks", "data"),
              HasReason(reason::kImageUnsupported));
  EXPECT_THAT(harness_.Leftovers(), IsEmpty());
}

TEST_F(BlockPoolLiveTest, DeviceHasOneWriterByWhateverNode) {
  ASSERT_THAT(harness_.Start({}, lab_.flags()), IsOk());
  ASSERT_THAT(harness_.Launch(SleepingPlan("a", "root", true)), IsOk());
  // The same device under a node of its own: what QEMU locks is the node.
  fs::remove(lab_.node("root"));
  ASSERT_EQ(
      mknod(lab_.node("root").c_str(), S_IFBLK | 0600, lab_.number("root")), 0);

  const auto second = harness_.Launch(SleepingPlan("b", "root", true));
  EXPECT_THAT(second, AllOf(HasReason(reason::kImageInUse),
                            StatusIs(absl::StatusCode::kFailedPrecondition,
                                     HasSubstr("volume 'root'"))));
  EXPECT_THAT(harness_.Launch(SleepingPlan("b", "root", false)),
              HasReason(reason::kImageInUse));
  // The agent may still look into it, as when it explains a guest.
  EXPECT_THAT(harness_.OpenImage("blocks", "root"), IsOk());
  EXPECT_THAT(harness_.Launch(SleepingPlan("c", "data", true)), IsOk());

  ASSERT_THAT(harness_.Release("a"), IsOk());
  EXPECT_THAT(harness_.Launch(SleepingPlan("b", "root", true)), IsOk());
}

TEST_F(BlockPoolLiveTest, WriterOutlivesItsLauncherAndKeepsItsDevice) {
  ASSERT_THAT(harness_.Start({}, lab_.flags()), IsOk());
  ASSERT_THAT(harness_.Launch(SleepingPlan("a", "root", true)), IsOk());
  harness_.Kill();
  ASSERT_THAT(harness_.Start({}, lab_.flags()), IsOk());

  EXPECT_THAT(harness_.Launch(SleepingPlan("b", "root", true)),
              HasReason(reason::kImageInUse));
}

TEST_F(BlockPoolLiveTest, DeviceThatTheHostUsesIsNoGuests) {
  ASSERT_THAT(harness_.Start({}, lab_.flags()), IsOk());
  UniqueFd host(open(lab_.node("root").c_str(), O_RDONLY | O_EXCL | O_CLOEXEC));
  ASSERT_TRUE(host.valid());

  for (const bool writable : {false, true}) {
    EXPECT_THAT(harness_.Launch(SleepingPlan("a", "root", writable)),
                HasReason(reason::kImageInUse));
  }
  EXPECT_THAT(harness_.Leftovers(), IsEmpty());
  host.reset();
  EXPECT_THAT(harness_.Launch(SleepingPlan("a", "root", true)), IsOk());
}

TEST_F(BlockPoolLiveTest, ReadersShareADevice) {
  ASSERT_THAT(harness_.Start({}, lab_.flags()), IsOk());

  EXPECT_THAT(harness_.Launch(SleepingPlan("a", "root", false)), IsOk());
  EXPECT_THAT(harness_.Launch(SleepingPlan("b", "root", false)), IsOk());
}

TEST_F(BlockPoolLiveTest, QemuLocksTheDeviceInItsJail) {
  ASSERT_THAT(harness_.Start({}, lab_.flags()), IsOk());
  // Two readers, and a writer that the launcher lets through, since the claim
  // is only between writers: QEMU itself must end.
  ASSERT_THAT(harness_.Launch(QemuPlan("a", "root", false)), IsOk());
  ASSERT_TRUE(Eventually([&] {
    const UniqueFd node(open(lab_.node("root").c_str(), O_RDWR | O_CLOEXEC));
    struct flock lock = {};
    lock.l_type = F_WRLCK;
    return fcntl(node.get(), F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
  }));
  ASSERT_THAT(harness_.Launch(QemuPlan("b", "root", false)), IsOk());
  ASSERT_THAT(harness_.Launch(QemuPlan("c", "root", true)), IsOk());

  EXPECT_THAT(LastWords("c"), HasSubstr("Failed to get"));
  EXPECT_FALSE(Ended("a"));
  EXPECT_FALSE(Ended("b"));
}

TEST_F(BlockPoolLiveTest, BoundOfFilesIsNoneOfDevices) {
  std::vector<std::string> flags = lab_.flags();
  // Less than the device: what a file could not be.
  flags.push_back(absl::StrCat("--max-file-bytes=", 2 * kMiB));
  ASSERT_THAT(harness_.Start({}, flags), IsOk());
  LaunchPlan plan =
      PlanWith(harness_.FakePlan("a", {"grow", "7", absl::StrCat(4 * kMiB)}),
               "root", true);

  ASSERT_THAT(harness_.Launch(plan), IsOk());

  // "grow" says what became of writing at, and beyond, 4 MiB of 8.
  const std::string said = LastWords("a");
  EXPECT_THAT(said, AllOf(HasSubstr("write_within works"),
                          HasSubstr("write_beyond ALLOWED"),
                          HasSubstr("truncate_beyond refused")));
}

TEST_F(BlockPoolLiveTest, NothingIsRelabelled) {
  ASSERT_THAT(harness_.Start({}, lab_.flags()), IsOk());
  struct stat before;
  ASSERT_EQ(lstat(lab_.node("root").c_str(), &before), 0);

  ASSERT_THAT(harness_.Launch(QemuPlan("a", "root", true)), IsOk());
  ASSERT_TRUE(Eventually([&] { return Holds("root"); }));
  ASSERT_THAT(harness_.Release("a"), IsOk());

  struct stat after;
  ASSERT_EQ(lstat(lab_.node("root").c_str(), &after), 0);
  EXPECT_EQ(after.st_uid, 0U);
  EXPECT_EQ(after.st_gid, 0U);
  EXPECT_EQ(after.st_mode, static_cast<mode_t>(S_IFBLK | 0600));
  EXPECT_EQ(after.st_ctim.tv_sec, before.st_ctim.tv_sec);
  EXPECT_EQ(after.st_ctim.tv_nsec, before.st_ctim.tv_nsec);
}

}  // namespace
}  // namespace innkeeper
