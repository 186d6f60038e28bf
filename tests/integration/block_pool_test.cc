// Guests whose disks are block devices, on a host that keeps no labels: the
// nodes are root's alone, in a tmpfs.
#include <sys/stat.h>

#include <cstdint>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "agent/launcher/testing/block_lab.h"
#include "base/file.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/caller.h"
#include "tests/integration/console.h"
#include "tests/integration/lab.h"

namespace innkeeper {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::SizeIs;

constexpr int64_t kDiskBytes = int64_t{64} << 20;

class BlockPoolGuestTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(devices_.Add("root", kDiskBytes));
    for (const std::string& flag : devices_.flags()) {
      host_.AddLauncherFlag(flag);
    }
  }
  static v1::LaunchGuestRequest WithDevice(v1::LaunchGuestRequest request) {
    v1::GuestSpec* const spec = request.mutable_guest()->mutable_spec();
    spec->clear_disks();
    v1::GuestSpec::Disk* const disk = spec->add_disks();
    disk->set_volume("pools/blocks/volumes/root");
    disk->set_format(v1::GuestSpec::Disk::RAW);
    disk->set_mode(v1::GuestSpec::Disk::READ_WRITE);
    return request;
  }
  struct stat Node() const {
    struct stat info = {};
    EXPECT_EQ(lstat(devices_.node("root").c_str(), &info), 0);
    return info;
  }

  // Before the host, which lets go of the devices first.
  BlockLab devices_;
  Lab host_;
};

TEST_F(BlockPoolGuestTest, GuestBootsReadsAndWritesADeviceOfRootsAlone) {
  ASSERT_THAT(host_.AddTestGuest(), IsOk());
  // As dd of=/dev/... would.
  std::ifstream disk(host_.pool_dir() + "/disk.raw", std::ios::binary);
  std::ofstream(devices_.node("root"), std::ios::binary) << disk.rdbuf();
  const struct stat before = Node();
  ASSERT_EQ(before.st_mode, static_cast<mode_t>(S_IFBLK | 0600));
  ASSERT_EQ(before.st_uid, 0U);
  ASSERT_THAT(host_.Start(), IsOk());
  const Caller owner = host_.As("user/tenant-a");

  ASSERT_THAT(owner.Finish(
                  owner.Launch(WithDevice(LinuxGuest("web", "user/tenant-a")))),
              IsOk());
  {
    Console console(owner, "web");
    ASSERT_TRUE(console.Await("disk marker: innkeeper-test-disk"))
        << console.output();
    ASSERT_TRUE(console.Await("guest# ")) << console.output();
    console.Type("mark block devices work");
    ASSERT_TRUE(console.Await("marked: block devices work"))
        << console.output();
  }
  ASSERT_THAT(owner.Finish(owner.Stop("web", true)), IsOk());

  const absl::StatusOr<std::string> content =
      ReadFile(devices_.node("root"), kDiskBytes + 1);
  ASSERT_THAT(content, IsOk());
  EXPECT_THAT(content->substr(512, 512), HasSubstr("note: block devices work"));
  const struct stat after = Node();
  EXPECT_EQ(after.st_mode, before.st_mode);
  EXPECT_EQ(after.st_uid, before.st_uid);
  EXPECT_EQ(after.st_gid, before.st_gid);
  EXPECT_EQ(after.st_ino, before.st_ino);
}

TEST_F(BlockPoolGuestTest, HostShowsItsPoolsAndTheirVolumes) {
  ASSERT_THAT(host_.Start(), IsOk());
  const Caller caller = host_.As("user/viewer");
  v1::GetHostRequest request;
  request.set_name("hosts/" + host_.name());

  const auto host =
      caller.Call(&v1::Hosts::Stub::GetHost, caller.hosts(), request);

  ASSERT_THAT(host, IsOk());
  EXPECT_THAT(host->volumes(), Contains("pools/blocks/volumes/root"));
  ASSERT_THAT(host->pools(), SizeIs(2));
  EXPECT_EQ(host->pools(0).name(), "pools/blocks");
  EXPECT_EQ(host->pools(0).kind(), v1::Host::Pool::BLOCK);
  EXPECT_EQ(host->pools(1).name(), "pools/main");
  EXPECT_EQ(host->pools(1).kind(), v1::Host::Pool::DIRECTORY);
}

TEST_F(BlockPoolGuestTest, SecondWriterIsRefusedUntilTheFirstLetsGo) {
  ASSERT_THAT(host_.Start(), IsOk());
  const Caller caller = host_.As("user/operator");
  const auto paused = [](const std::string& id) {
    return WithDevice(PausedGuest(id, "user/tenant-a"));
  };
  ASSERT_THAT(caller.Finish(caller.Launch(paused("first"))), IsOk());

  const absl::Status second = caller.Finish(caller.Launch(paused("second")));

  EXPECT_THAT(second, HasReason(reason::kImageInUse));
  EXPECT_THAT(second, StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(caller.Get("second"), StatusIs(absl::StatusCode::kNotFound));
  ASSERT_THAT(caller.Finish(caller.Stop("first", true)), IsOk());
  EXPECT_THAT(caller.Finish(caller.Launch(paused("second"))), IsOk());
}

TEST_F(BlockPoolGuestTest, DeviceIsNoKernel) {
  ASSERT_THAT(host_.Start(), IsOk());
  const Caller caller = host_.As("user/operator");
  v1::LaunchGuestRequest request = PausedGuest("web", "user/tenant-a");
  request.mutable_guest()->mutable_spec()->set_kernel(
      "pools/blocks/volumes/root");

  const absl::Status refused = caller.Finish(caller.Launch(request));

  EXPECT_THAT(refused, HasReason(reason::kImageUnsupported));
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition,
                                HasSubstr("must be a file")));
}

}  // namespace
}  // namespace innkeeper
