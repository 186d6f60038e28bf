#include "agent/launcher/config.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

namespace fs = std::filesystem;
using testing::Contains;

class ConfigTest : public testing::Test {
 protected:
  ConfigTest() {
    char path[] = "/tmp/ik-config-XXXXXX";
    dir_ = mkdtemp(path);
    chmod(dir_.c_str(), 0755);
    fs::create_directory(dir_ + "/pool");
    std::ofstream(dir_ + "/binary") << "x";
    chmod((dir_ + "/binary").c_str(), 0755);
    config_.instance = "a";
    config_.agent = config_.keeper = dir_ + "/binary";
    config_.qemus = {dir_ + "/binary"};
    config_.agent_credentials.uid = config_.agent_credentials.gid = 65534;
    config_.run_dir = dir_ + "/new/run";
    config_.state_dir = dir_ + "/state";
    config_.pools = {{"disks", dir_ + "/pool"}};
    config_.uid_base = 1880000000;
    config_.max_file_bytes = int64_t{1} << 40;
    config_.uid_count = 65536;
    config_.max_guests = 512;
    SetDefaults(config_);
  }
  ~ConfigTest() override { fs::remove_all(dir_); }

  void ExpectFault(const std::string& flag) {
    const absl::Status status = CheckConfig(config_);
    EXPECT_THAT(status, HasReason(reason::kConfigInvalid));
    EXPECT_THAT(DetailsOf(status).fields,
                Contains(testing::Field(&FieldViolation::field, flag)));
  }

  std::string dir_;
  LauncherConfig config_;
};

TEST_F(ConfigTest, WhatContextsMayNameIsCheckedToo) {
  config_.context.identities["bad"].uid = 0;
  ExpectFault("--identity");
  config_.context.roots["bad"] = "/no/such/root";
  ExpectFault("--root");
}

TEST_F(ConfigTest, RootOwnedPathsBelowAStickyDirectoryAreFine) {
  EXPECT_THAT(CheckConfig(config_), IsOk());
}

TEST_F(ConfigTest, WritableBinaryIsRefused) {
  chmod((dir_ + "/binary").c_str(), 0775);
  ExpectFault("--agent");
  ExpectFault("--keeper");
  ExpectFault("--qemu");
}

TEST_F(ConfigTest, PoolThatOthersMayWriteIsRefusedStickyOrNot) {
  chmod((dir_ + "/pool").c_str(), 01777);
  ExpectFault("--pool");
}

TEST_F(ConfigTest, PathBelowAnotherUsersDirectoryIsRefused) {
  ASSERT_EQ(chown(dir_.c_str(), 65534, 65534), 0);
  ExpectFault("--pool");
  ExpectFault("--run-dir");
  ExpectFault("--state-dir");
}

TEST_F(ConfigTest, LinkIsFollowedToWhatItNames) {
  fs::create_directory(dir_ + "/open");
  chmod((dir_ + "/open").c_str(), 0777);
  fs::create_symlink(dir_ + "/open", dir_ + "/link");
  config_.pools = {{"disks", dir_ + "/link"}};
  ExpectFault("--pool");
}

TEST_F(ConfigTest, LinkThatAnotherUserCouldTurnIsRefused) {
  fs::create_directory(dir_ + "/theirs");
  fs::create_symlink(dir_ + "/pool", dir_ + "/theirs/link");
  fs::create_symlink("theirs/link", dir_ + "/link");
  config_.pools = {{"disks", dir_ + "/link"}};
  EXPECT_THAT(CheckConfig(config_), IsOk());

  ASSERT_EQ(chown((dir_ + "/theirs").c_str(), 65534, 65534), 0);
  ExpectFault("--pool");
  config_.pools = {{"disks", dir_ + "/theirs/link"}};
  ExpectFault("--pool");
}

TEST_F(ConfigTest, LinksThatLeadNowhereAreRefused) {
  fs::create_symlink("loop", dir_ + "/loop");
  EXPECT_FALSE(CheckRootOwned(dir_ + "/loop").ok());
  EXPECT_FALSE(CheckRootOwned(dir_ + "/absent").ok());
  EXPECT_THAT(CheckRootOwned("/"), IsOk());
}

TEST_F(ConfigTest, AgentInAGroupOfRootOrAGuestIsRefused) {
  for (const gid_t group : {gid_t{0}, gid_t{config_.uid_base + 3}}) {
    config_.agent_credentials.groups = {65534, group};
    ExpectFault("--agent-user");
  }
  config_.agent_credentials.groups.clear();
  config_.agent_credentials.gid = config_.uid_base + 1;
  ExpectFault("--agent-user");
}

TEST_F(ConfigTest, BlockPoolsAreAGroupOrAListThatOnlyRootCanChange) {
  const std::string list = dir_ + "/list";
  std::ofstream(list) << "root dm-uuid=LVM-1\n";
  config_.block_pools = {{"fast", "vg:fast"}, {"slow", list}};
  EXPECT_THAT(CheckConfig(config_), IsOk());

  chmod(list.c_str(), 0666);
  ExpectFault("--block-pool");
  chmod(list.c_str(), 0644);
  ASSERT_EQ(chown(list.c_str(), 65534, 65534), 0);
  ExpectFault("--block-pool");
  ASSERT_EQ(chown(list.c_str(), 0, 0), 0);
  EXPECT_THAT(CheckConfig(config_), IsOk());
  std::ofstream(list) << "root /dev/sda\n";
  ExpectFault("--block-pool");
  for (const std::string text :
       {"vg:", "/dev/mapper/../sda", "sda", "", "/no/such/list"}) {
    config_.block_pools = {{"fast", text}};
    ExpectFault("--block-pool");
  }
}

TEST_F(ConfigTest, PoolHasOneKindAndAName) {
  config_.block_pools = {{"disks", "vg:fast"}};
  ExpectFault("--block-pool");
  config_.block_pools = {{"Fast", "vg:fast"}};
  ExpectFault("--block-pool");
  config_.block_pools.clear();
  for (int i = 0; i < 257; ++i) {
    config_.block_pools[absl::StrCat("p", i)] = "vg:fast";
  }
  ExpectFault("--pool");
}

TEST_F(ConfigTest, NodesOfDevicesAreRootsAlone) {
  config_.block_pools = {{"fast", "vg:fast"}};
  config_.dev_dir = dir_ + "/pool";
  EXPECT_THAT(CheckConfig(config_), IsOk());
  chmod(config_.dev_dir.c_str(), 0777);
  ExpectFault("--dev-dir");
  config_.dev_dir = "dev";
  ExpectFault("--dev-dir");
}

TEST_F(ConfigTest, RelativeAndUpwardPathsAreRefused) {
  config_.pools = {{"disks", dir_ + "/pool/../pool"}};
  ExpectFault("--pool");
  config_.run_dir = "run";
  ExpectFault("--run-dir");
}

TEST_F(ConfigTest, NumbersOutOfRangeAreAllNamedAtOnce) {
  config_.uid_base = 1000;
  config_.max_guests = 0;
  config_.instance = "../x";
  config_.cgroup_parent = "../system.slice";
  for (const char* flag :
       {"--uid-base", "--max-guests", "--instance", "--cgroup-parent"}) {
    ExpectFault(flag);
  }
}

TEST_F(ConfigTest, FirmwareIsTwoFilesOrNone) {
  const std::string code = dir_ + "/code";
  const std::string variables = dir_ + "/variables";
  for (const std::string& path : {code, variables}) {
    std::ofstream(path) << "x";
    fs::permissions(path, fs::perms::owner_read);
  }
  const auto both = ParseFirmware(code + "," + variables);
  ASSERT_THAT(both, IsOk());
  EXPECT_EQ(both->code, code);
  EXPECT_EQ(both->variables, variables);
  for (const std::string& text :
       {std::string(), code + "," + dir_ + "/absent", code + "," + dir_}) {
    const auto none = ParseFirmware(text);
    ASSERT_THAT(none, IsOk()) << text;
    EXPECT_FALSE(none->installed()) << text;
  }
  for (const char* text : {"one", "a,b", "/a,/b,/c", "/a/../b,/c"}) {
    EXPECT_THAT(ParseFirmware(text), HasReason(reason::kConfigInvalid)) << text;
  }
}

TEST_F(ConfigTest, FirmwareThatAnotherUserCouldChangeIsRefused) {
  const std::string code = dir_ + "/code";
  std::ofstream(code) << "x";
  config_.uefi = {code, code};
  config_.secure_boot = {code, code};
  EXPECT_THAT(CheckConfig(config_), IsOk());
  fs::permissions(code, fs::perms::others_write, fs::perm_options::add);
  ExpectFault("--uefi-firmware");
  ExpectFault("--secure-boot-firmware");
}

TEST_F(ConfigTest, AgentIsNeitherRootNorAGuest) {
  EXPECT_THAT(ResolveUser("root"), HasReason(reason::kConfigInvalid));
  EXPECT_THAT(ResolveUser("0:5"), HasReason(reason::kConfigInvalid));
  EXPECT_THAT(ResolveUser("5:0"), HasReason(reason::kConfigInvalid));
  EXPECT_THAT(ResolveUser("no-such-user"), HasReason(reason::kConfigInvalid));
  EXPECT_THAT(ResolveUser("5:6"), IsOk());
  EXPECT_THAT(ResolveUser("nobody"), IsOk());
  config_.agent_credentials.uid = config_.uid_base + 1;
  ExpectFault("--agent-user");
}

}  // namespace
}  // namespace innkeeper
