#include "agent/launcher/block_pool.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/launcher/block_source.h"
#include "agent/launcher/image_use.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string kGroupUuid(32, 'g');
const std::string kUuid = absl::StrCat("LVM-", kGroupUuid);

// A sysfs of files; what opens real devices is block_pool_live_test.
class BlockPoolTest : public testing::Test {
 protected:
  BlockPoolTest() {
    dir_ = absl::StrCat(testing::TempDir(), "/blocksXXXXXX");
    EXPECT_NE(mkdtemp(dir_.data()), nullptr);
    fs::create_directories(dir_ + "/sys/class/block");
    fs::create_directories(dir_ + "/dev");
  }
  void AddDevice(const std::string& device, const std::string& attribute,
                 const std::string& value) {
    const std::string path =
        absl::StrCat(dir_, "/sys/class/block/", device, "/");
    fs::create_directories(fs::path(path + attribute).parent_path());
    std::ofstream(path + attribute) << value << "\n";
    std::ofstream(path + "size") << "2048\n";
    std::ofstream(path + "dev") << "254:1\n";
  }
  void AddLogicalVolume(const std::string& device, const std::string& uuid,
                        const std::string& name) {
    AddDevice(device, "dm/uuid", uuid);
    AddDevice(device, "dm/name", name);
  }
  static std::vector<std::string> NamesIn(
      const std::vector<BlockVolume>& volumes) {
    std::vector<std::string> names;
    for (const BlockVolume& volume : volumes) names.push_back(volume.name);
    return names;
  }
  BlockPool Pool(BlockSource source) const {
    return {std::move(source), dir_ + "/sys", dir_ + "/dev"};
  }
  BlockPool Group(const std::string& name) const {
    BlockSource source;
    source.volume_group = name;
    return Pool(source);
  }
  BlockPool Listed() const {
    BlockSource source;
    source.volumes["root"] = {DeviceSelector::Kind::kWwid, "naa.1"};
    source.volumes["log"] = {DeviceSelector::Kind::kSerial, "S1"};
    return Pool(source);
  }

  std::string dir_;
};

TEST_F(BlockPoolTest, VolumeGroupIsItsLogicalVolumesAndNoInnerParts) {
  const std::string one(32, '1');
  AddLogicalVolume("dm-0", kUuid + one, "fast--disks-root");
  AddLogicalVolume("dm-1", kUuid + one, "fast--disks-web--data");
  AddLogicalVolume("dm-2", kUuid + one + "-real", "fast--disks-a-real");
  AddLogicalVolume("dm-3", kUuid + one, "fast--disks-pool-tdata");
  AddLogicalVolume("dm-4", kUuid + one, "slow-root");
  AddLogicalVolume("dm-5", "CRYPT-LUKS2-" + one, "fast--disks-crypt");
  AddDevice("vda", "serial", "fast--disks-vda");

  EXPECT_THAT(NamesIn(Group("fast-disks").List()),
              ElementsAre("root", "web-data"));
  EXPECT_THAT(Group("fast").List(), IsEmpty());
}

TEST_F(BlockPoolTest, NamesOfLogicalVolumesAreReadAsLvmWritesThem) {
  const std::string uuid = kUuid + std::string(32, '1');
  EXPECT_EQ(LogicalVolumeName(uuid, "vg-lv", "vg"), "lv");
  EXPECT_EQ(LogicalVolumeName(uuid, "v--g-l--v", "v-g"), "l-v");
  EXPECT_EQ(LogicalVolumeName(uuid, "v--g-lv", "v"), "");
  EXPECT_EQ(LogicalVolumeName(uuid, "vg-lv-", "vg"), "");
  EXPECT_EQ(LogicalVolumeName(uuid, "vg", "vg"), "");
  EXPECT_EQ(LogicalVolumeName(uuid + "x", "vg-lv", "vg"), "");
  EXPECT_EQ(LogicalVolumeName("", "vg-lv", "vg"), "");
}

TEST_F(BlockPoolTest, ListedDevicesHaveTheirSizes) {
  AddDevice("sda", "device/wwid", "naa.1");
  AddDevice("vda", "serial", "S1");
  AddDevice("vdb", "serial", "S2");

  const std::vector<BlockVolume> volumes = Listed().List();

  EXPECT_THAT(NamesIn(volumes), ElementsAre("log", "root"));
  EXPECT_EQ(volumes[0].bytes, 1 << 20);
  EXPECT_EQ(volumes[0].device, "vda");
}

TEST_F(BlockPoolTest, NameThatTwoDevicesAnswerToIsNobodys) {
  AddDevice("sda", "device/wwid", "naa.1");
  AddDevice("sdb", "wwid", "naa.1");
  AddDevice("vda", "serial", "S1");

  EXPECT_THAT(NamesIn(Listed().List()), ElementsAre("log"));
  EXPECT_THAT(Listed().Open("blocks", "root", ImageUse::kInspect),
              AllOf(HasReason(reason::kImageUnsupported),
                    StatusIs(absl::StatusCode::kInvalidArgument,
                             HasSubstr("two devices"))));
}

TEST_F(BlockPoolTest, WhatIsNotThereIsNamed) {
  EXPECT_THAT(Listed().Open("blocks", "root", ImageUse::kRead),
              AllOf(HasReason(reason::kVolumeNotFound),
                    StatusIs(absl::StatusCode::kNotFound,
                             HasSubstr("volume 'root' of pool 'blocks'"))));
  AddDevice("sda", "wwid", "naa.1");
  EXPECT_THAT(
      Listed().Open("blocks", "root", ImageUse::kRead),
      AllOf(HasReason(reason::kVolumeNotFound),
            StatusIs(absl::StatusCode::kNotFound, HasSubstr("no node"))));
  EXPECT_THAT(Listed().Open("blocks", "sda", ImageUse::kRead),
              HasReason(reason::kVolumeNotFound));
}

TEST_F(BlockPoolTest, NodeThatIsNoBlockDeviceIsRefused) {
  AddDevice("sda", "wwid", "naa.1");
  std::ofstream(dir_ + "/secret") << "secret";
  const std::string node = dir_ + "/dev/sda";
  const auto refused = [&] {
    for (const ImageUse use :
         {ImageUse::kInspect, ImageUse::kRead, ImageUse::kWrite}) {
      EXPECT_THAT(Listed().Open("blocks", "root", use),
                  HasReason(reason::kImageUnsupported));
    }
  };

  fs::create_symlink(dir_ + "/secret", node);
  refused();
  fs::remove(node);
  std::ofstream(node) << "file";
  refused();
  fs::remove(node);
  // Opening a pipe without a writer would wait for ever.
  ASSERT_EQ(mkfifo(node.c_str(), 0600), 0);
  refused();
}

}  // namespace
}  // namespace innkeeper
