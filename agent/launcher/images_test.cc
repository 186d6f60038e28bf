#include "agent/launcher/images.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "base/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

class ImagesTest : public testing::Test {
 protected:
  ImagesTest() {
    dir_ = absl::StrCat(testing::TempDir(), "/imagesXXXXXX");
    EXPECT_NE(mkdtemp(dir_.data()), nullptr);
    EXPECT_EQ(mkdir(In("pool").c_str(), 0700), 0);
    EXPECT_EQ(mkdir(In("pool/sub").c_str(), 0700), 0);
    std::ofstream(In("secret")) << "secret";
    std::ofstream(In("pool/root")) << "image";
    std::ofstream(In("pool/sub/deep")) << "deeper";
    absl::StatusOr<ImagePools> pools = ImagePools::Open({{"main", In("pool")}});
    EXPECT_THAT(pools, IsOk());
    pools_ = *std::move(pools);
  }
  std::string In(const std::string& name) {
    return absl::StrCat(dir_, "/", name);
  }
  absl::StatusOr<UniqueFd> Open(const std::string& name,
                                bool writable = false) {
    return pools_.OpenImage("main", name,
                            writable ? ImageUse::kWrite : ImageUse::kRead);
  }
  static std::string Content(const absl::StatusOr<UniqueFd>& fd) {
    if (!fd.ok()) return fd.status().ToString();
    char bytes[64];
    const ssize_t got = read(fd->get(), bytes, sizeof(bytes));
    return got < 0 ? "unreadable" : std::string(bytes, got);
  }

  std::string dir_;
  ImagePools pools_;
};

TEST_F(ImagesTest, NameThatLeadsOutOfItsPoolIsRefused) {
  for (const char* name : {"../secret", "sub/../../secret", "/etc/shadow", "..",
                           ".", "", "sub/./deep", "sub//deep"}) {
    EXPECT_THAT(Open(name), HasReason(reason::kInvalidRequest)) << name;
  }
}

TEST_F(ImagesTest, LinkIsNeverFollowed) {
  ASSERT_EQ(symlink(In("secret").c_str(), In("pool/absolute").c_str()), 0);
  ASSERT_EQ(symlink("../secret", In("pool/relative").c_str()), 0);
  ASSERT_EQ(symlink("root", In("pool/inside").c_str()), 0);
  ASSERT_EQ(symlink("..", In("pool/up").c_str()), 0);

  for (const char* name : {"absolute", "relative", "inside", "up/secret"}) {
    const absl::StatusOr<UniqueFd> fd = Open(name);
    EXPECT_THAT(fd, StatusIs(absl::StatusCode::kInvalidArgument,
                             HasSubstr("symbolic link")))
        << name;
    EXPECT_THAT(fd, HasReason(reason::kImageUnsupported)) << name;
  }
}

TEST_F(ImagesTest, WhatIsNoRegularFileIsRefusedWithoutOpeningIt) {
  // Opening a pipe without a writer would wait for ever.
  ASSERT_EQ(mkfifo(In("pool/pipe").c_str(), 0600), 0);

  for (const char* name : {"pipe", "sub"}) {
    EXPECT_THAT(Open(name), HasReason(reason::kImageUnsupported)) << name;
    EXPECT_THAT(Open(name, true), HasReason(reason::kImageUnsupported)) << name;
  }
}

TEST_F(ImagesTest, FileWithASecondNameIsRefused) {
  ASSERT_EQ(link(In("secret").c_str(), In("pool/stolen").c_str()), 0);

  EXPECT_THAT(Open("stolen"), StatusIs(absl::StatusCode::kInvalidArgument,
                                       HasSubstr("hard link")));
  ASSERT_EQ(unlink(In("secret").c_str()), 0);
  EXPECT_EQ(Content(Open("stolen")), "secret");
}

TEST_F(ImagesTest, WhatIsNotThereIsNamed) {
  EXPECT_THAT(Open("no"), StatusIs(absl::StatusCode::kNotFound,
                                   "pool 'main' has no volume 'no'"));
  EXPECT_THAT(Open("no"), HasReason(reason::kVolumeNotFound));
  EXPECT_THAT(Open("root/deeper"), HasReason(reason::kVolumeNotFound));
  EXPECT_THAT(pools_.OpenImage("other", "root", ImageUse::kInspect),
              HasReason(reason::kPoolNotFound));
  EXPECT_FALSE(ImagePools::Open({{"x", In("no")}}).ok());
  EXPECT_FALSE(ImagePools::Open({{"x", In("pool/root")}}).ok());
}

TEST_F(ImagesTest, VolumesAreReadAndWrittenAsAsked) {
  EXPECT_EQ(Content(Open("root")), "image");
  EXPECT_EQ(Content(Open("sub/deep")), "deeper");
  const absl::StatusOr<UniqueFd> reader = Open("root");
  EXPECT_LT(write(reader->get(), "x", 1), 0);
  const absl::StatusOr<UniqueFd> writer = Open("root", true);
  ASSERT_THAT(writer, IsOk());
  EXPECT_EQ(write(writer->get(), "I", 1), 1);
  EXPECT_EQ(Content(Open("root")), "Image");
}

TEST_F(ImagesTest, EachDescriptorIsADescriptionOfItsOwn) {
  const absl::StatusOr<UniqueFd> one = Open("root", true);
  const absl::StatusOr<UniqueFd> two = Open("root", true);
  ASSERT_THAT(one, IsOk());
  ASSERT_THAT(two, IsOk());
  struct flock lock = {};
  lock.l_type = F_WRLCK;
  ASSERT_EQ(fcntl(one->get(), F_OFD_SETLK, &lock), 0);

  lock.l_type = F_WRLCK;
  EXPECT_NE(fcntl(two->get(), F_OFD_SETLK, &lock), 0);
  EXPECT_EQ(Content(one), "image");
  EXPECT_EQ(Content(two), "image");
}

TEST_F(ImagesTest, DescriptorsBlockAndCloseOnExec) {
  const absl::StatusOr<UniqueFd> fd = Open("root");
  ASSERT_THAT(fd, IsOk());
  EXPECT_EQ(fcntl(fd->get(), F_GETFL) & O_NONBLOCK, 0);
  EXPECT_NE(fcntl(fd->get(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST_F(ImagesTest, PoolIsTheDirectoryThatWasOpenedWhateverItsPathBecomes) {
  ASSERT_EQ(rename(In("pool").c_str(), In("moved").c_str()), 0);
  ASSERT_EQ(mkdir(In("pool").c_str(), 0700), 0);
  std::ofstream(In("pool/root")) << "another";

  EXPECT_EQ(Content(Open("root")), "image");
}

TEST_F(ImagesTest, PoolsAreNamedWithTheirKinds) {
  BlockSource source;
  source.volumes["root"] = {DeviceSelector::Kind::kWwid, "naa.1"};
  std::map<std::string, BlockPool> blocks;
  blocks.emplace("disks", BlockPool(source, In("sys"), In("dev")));
  const absl::StatusOr<ImagePools> pools =
      ImagePools::Open({{"main", In("pool")}}, std::move(blocks));
  ASSERT_THAT(pools, IsOk());

  const std::vector<PoolInfo> infos = pools->pools();
  ASSERT_THAT(infos, SizeIs(2));
  EXPECT_EQ(infos[0].name, "disks");
  EXPECT_TRUE(infos[0].block);
  EXPECT_EQ(infos[1].name, "main");
  EXPECT_FALSE(infos[1].block);
  EXPECT_TRUE(pools->IsBlockPool("disks"));
  EXPECT_FALSE(pools->IsBlockPool("main"));
  EXPECT_THAT(pools->OpenImage("disks", "root", ImageUse::kRead),
              HasReason(reason::kVolumeNotFound));
}

}  // namespace
}  // namespace innkeeper
