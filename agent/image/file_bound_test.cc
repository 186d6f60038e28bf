#include "agent/image/file_bound.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/guest/disk_spec.h"
#include "agent/image/header_parser.h"
#include "base/testing/status_matchers.h"
#include "base/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

ImageInfo Qcow2(int64_t virtual_bytes, int64_t file_bytes, int32_t cluster_bits,
                int32_t refcount_bits = 16) {
  ImageInfo info;
  info.format = DiskFormat::kQcow2;
  info.virtual_bytes = virtual_bytes;
  info.file_bytes = file_bytes;
  info.version = 3;
  info.cluster_bits = cluster_bits;
  info.l2_entry_bytes = 8;
  info.refcount_bits = refcount_bits;
  return info;
}

TEST(FileBoundTest, RawImageIsAsLargeAsItWillEverBe) {
  ImageInfo info;
  info.format = DiskFormat::kRaw;
  info.virtual_bytes = info.file_bytes = 5 << 20;

  EXPECT_EQ(MaxFileBytes(info), 5 << 20);
}

TEST(FileBoundTest, Qcow2ImageMayBeWrittenOnceMoreBesideWhatItHolds) {
  const int64_t fresh = MaxFileBytes(Qcow2(1 << 30, 196608, 16));
  const int64_t full = MaxFileBytes(Qcow2(1 << 30, 1 << 30, 16));

  EXPECT_GT(fresh, int64_t{1} << 30);
  EXPECT_LT(fresh, (int64_t{1} << 30) + (4 << 20));
  EXPECT_GT(full, int64_t{2} << 30);
  EXPECT_LT(full, (int64_t{2} << 30) + (4 << 20));
}

TEST(FileBoundTest, ExtremesDoNotOverflow) {
  EXPECT_GT(MaxFileBytes(Qcow2(kMaxVirtualBytes, kMaxVirtualBytes, 9, 64)),
            2 * kMaxVirtualBytes);
  EXPECT_EQ(MaxFileBytes(Qcow2(kMaxVirtualBytes,
                               std::numeric_limits<int64_t>::max(), 9, 64)),
            std::numeric_limits<int64_t>::max());
  EXPECT_GT(MaxFileBytes(Qcow2(1, 0, 21)), 0);
}

// What qemu-img makes of `options`: the bound of the empty image, and how large
// the same one is when all of it is allocated.
struct Grown {
  int64_t bound = 0;
  int64_t full = 0;
};

int64_t MakeImage(const std::string& path, const std::string& options) {
  std::string words[] = {"/usr/bin/qemu-img",
                         "create",
                         "-q",
                         "-f",
                         "qcow2",
                         "-o",
                         options,
                         path,
                         "24M"};
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  char* const envp[] = {nullptr};
  pid_t child = 0;
  int status = -1;
  EXPECT_EQ(posix_spawn(&child, argv[0], nullptr, nullptr, argv.data(), envp),
            0);
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0) << options;
  struct stat info = {};
  EXPECT_EQ(stat(path.c_str(), &info), 0);
  return info.st_size;
}

Grown Grow(const std::string& options) {
  const std::string path = absl::StrCat(testing::TempDir(), "/grown.qcow2");
  Grown grown;
  MakeImage(path, options);
  {
    const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    const auto info =
        ReadImageInfo(fd.get(), DiskFormat::kQcow2, nullptr, "grown");
    EXPECT_THAT(info, IsOk());
    if (info.ok()) grown.bound = MaxFileBytes(*info);
  }
  grown.full = MakeImage(path, options + ",preallocation=falloc");
  unlink(path.c_str());
  return grown;
}

class FileBoundOfQemuTest : public testing::TestWithParam<const char*> {};

TEST_P(FileBoundOfQemuTest, HoldsTheImageThatQemuFills) {
  const Grown grown = Grow(GetParam());

  EXPECT_GE(grown.bound, grown.full);
  // The clusters to spare are at most 2 MiB each.
  EXPECT_LE(grown.bound, grown.full + grown.full / 8 + (int64_t{64} << 20));
}

INSTANTIATE_TEST_SUITE_P(
    Geometries, FileBoundOfQemuTest,
    testing::Values("cluster_size=512", "cluster_size=512,refcount_bits=64",
                    "cluster_size=4096,refcount_bits=1", "cluster_size=65536",
                    "cluster_size=65536,extended_l2=on",
                    "cluster_size=2097152,refcount_bits=64", "compat=0.10"));

}  // namespace
}  // namespace innkeeper
