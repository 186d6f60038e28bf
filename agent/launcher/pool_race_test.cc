// What a pool's paths name changes all the time while images are opened: never
// is anything opened, or changed, that is not the pool's.
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "agent/launch/launch_plan.h"
#include "agent/launcher/block_pool.h"
#include "agent/launcher/block_source.h"
#include "agent/launcher/image_use.h"
#include "agent/launcher/images.h"
#include "agent/launcher/testing/block_lab.h"
#include "agent/launcher/testing/launcher_harness.h"
#include "base/file.h"
#include "base/testing/status_matchers.h"
#include "base/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

namespace fs = std::filesystem;
using testing::IsEmpty;

constexpr int64_t kSwaps = 1000000;
constexpr int64_t kDeviceSwaps = 100000;
constexpr int kLaunches = 40;

using Inode = std::pair<dev_t, ino_t>;

Inode InodeOf(const std::string& path) {
  struct stat info = {};
  EXPECT_EQ(lstat(path.c_str(), &info), 0) << path;
  return {info.st_dev, info.st_ino};
}

// Swaps a name with another one again and again, in one step each.
class Swapper {
 public:
  // Each of `groups` is a name and those that it is swapped with. Ends after
  // `most` swaps.
  Swapper(std::vector<std::vector<std::string>> groups, int64_t most)
      : thread_([this, groups = std::move(groups), most] {
          std::mt19937 random(4711);
          while (!stop_ && swaps_ < most) {
            const std::vector<std::string>& names =
                groups[random() % groups.size()];
            const size_t other = 1 + random() % (names.size() - 1);
            if (syscall(SYS_renameat2, AT_FDCWD, names[0].c_str(), AT_FDCWD,
                        names[other].c_str(), RENAME_EXCHANGE) != 0) {
              ++failures_;
            }
            ++swaps_;
          }
          done_ = true;
        }) {}
  ~Swapper() { Stop(); }

  void Stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  bool done() const { return done_; }
  int64_t swaps() const { return swaps_; }
  int64_t failures() const { return failures_; }

 private:
  std::atomic<bool> stop_ = false;
  std::atomic<bool> done_ = false;
  std::atomic<int64_t> swaps_ = 0;
  std::atomic<int64_t> failures_ = 0;
  std::thread thread_;
};

// A pool in `pool`, with everything that its owner could put there, and what is
// outside of it, in `outside`.
class Battlefield {
 public:
  Battlefield(std::string pool, std::string outside)
      : pool_(std::move(pool)), outside_(std::move(outside)) {
    fs::create_directories(outside_ + "/sub");
    for (const char* name : {"/secret", "/sub/x", "/hard"}) {
      std::ofstream(outside_ + name) << "secret";
    }
    for (const char* name : {"/sub", "/sub.other", "/x.dir"}) {
      fs::create_directories(pool_ + name);
    }
    for (const char* name : {"/x", "/x.other", "/sub/x", "/sub.other/x"}) {
      std::ofstream(pool_ + name) << "image";
      inside_.insert(InodeOf(pool_ + name));
    }
    fs::create_symlink(outside_ + "/secret", pool_ + "/x.link");
    fs::create_symlink(
        "../" + fs::path(outside_).filename().string() + "/secret",
        pool_ + "/x.up");
    fs::create_hard_link(outside_ + "/hard", pool_ + "/x.hard");
    EXPECT_EQ(mkfifo((pool_ + "/x.fifo").c_str(), 0666), 0);
    fs::create_symlink(outside_ + "/sub", pool_ + "/sub.link");
    fs::create_symlink("/proc/self/root" + outside_ + "/sub",
                       pool_ + "/sub.magic");
    before_ = Outside();
  }

  std::vector<std::vector<std::string>> groups() const {
    std::vector<std::vector<std::string>> groups;
    for (const char* names : {"x x.other x.link x.up x.hard x.fifo x.dir",
                              "sub sub.other sub.link sub.magic"}) {
      groups.emplace_back();
      for (const absl::string_view name : absl::StrSplit(names, ' ')) {
        groups.back().push_back(absl::StrCat(pool_, "/", name));
      }
    }
    return groups;
  }
  // Whether `info` is a file of the pool.
  bool IsInside(const struct stat& info) const {
    return inside_.count({info.st_dev, info.st_ino}) != 0;
  }
  // Whether what is outside is as it was: owners, modes, times, content.
  bool OutsideIsUntouched() const { return Outside() == before_; }

 private:
  std::string Outside() const {
    std::string all;
    for (const char* name : {"", "/secret", "/hard", "/sub", "/sub/x"}) {
      struct stat info = {};
      EXPECT_EQ(lstat((outside_ + name).c_str(), &info), 0);
      absl::StrAppend(&all, name, " ", info.st_ino, " ", info.st_uid, " ",
                      info.st_gid, " ", info.st_mode, " ", info.st_nlink, " ",
                      info.st_size, " ", info.st_mtim.tv_nsec, "\n");
      // The swaps themselves change that of the file with a name in the pool.
      if (absl::string_view(name) == "/hard") continue;
      absl::StrAppend(&all, info.st_ctim.tv_sec, ".", info.st_ctim.tv_nsec,
                      "\n");
    }
    return all;
  }

  const std::string pool_;
  const std::string outside_;
  std::set<Inode> inside_;
  std::string before_;
};

TEST(PoolRaceTest, AMillionSwapsOpenNothingOutsideOfThePool) {
  std::string dir = "/tmp/ik-race-XXXXXX";
  ASSERT_NE(mkdtemp(dir.data()), nullptr);
  fs::create_directory(dir + "/pool");
  const Battlefield field(dir + "/pool", dir + "/outside");
  const absl::StatusOr<ImagePools> pools =
      ImagePools::Open({{"main", dir + "/pool"}});
  ASSERT_THAT(pools, IsOk());
  int64_t opened = 0;
  int64_t refused = 0;
  int64_t strange = 0;

  Swapper swapper(field.groups(), kSwaps);
  while (!swapper.done()) {
    for (const char* name : {"x", "sub/x", "x.other", "sub.link/x"}) {
      for (const ImageUse use : {ImageUse::kInspect, ImageUse::kWrite}) {
        const absl::StatusOr<UniqueFd> fd = pools->OpenImage("main", name, use);
        if (!fd.ok()) {
          ++refused;
          continue;
        }
        ++opened;
        struct stat info = {};
        if (fstat(fd->get(), &info) != 0 || !field.IsInside(info)) ++strange;
      }
    }
  }
  swapper.Stop();

  std::cout << swapper.swaps() << " swaps, " << opened << " opened, " << refused
            << " refused" << std::endl;
  EXPECT_EQ(swapper.swaps(), kSwaps);
  EXPECT_EQ(swapper.failures(), 0);
  EXPECT_EQ(strange, 0);
  // There was a race, and the pool could be used meanwhile.
  EXPECT_GT(opened, 1000);
  EXPECT_GT(refused, 1000);
  EXPECT_TRUE(field.OutsideIsUntouched());
  fs::remove_all(dir);
}

TEST(PoolRaceTest, LaunchesUnderSwapsGiveQemuThePoolsOwnFilesOrNothing) {
  LauncherHarness harness;
  const Battlefield field(harness.pool_dir(), harness.dir() + "/outside");
  ASSERT_THAT(harness.Start(), IsOk());
  int launched = 0;

  Swapper swapper(field.groups(), INT64_MAX);
  for (int i = 0; i < kLaunches; ++i) {
    const std::string guest = absl::StrCat("g", i);
    LaunchPlan plan = harness.FakePlan(guest, {"sleep"});
    plan.images = {{"disks", i % 2 == 0 ? "x" : "sub/x", true, 1 << 20}};
    plan.fds.push_back({7, FdKind::kImage, 0});
    const auto result = harness.Launch(plan);
    if (!result.ok()) continue;
    ++launched;
    struct stat info = {};
    EXPECT_EQ(stat(absl::StrCat("/proc/", result->pid, "/fd/7").c_str(), &info),
              0);
    EXPECT_TRUE(field.IsInside(info));
    EXPECT_THAT(harness.Release(guest), IsOk());
  }
  swapper.Stop();

  EXPECT_GT(launched, 0);
  EXPECT_LT(launched, kLaunches);
  EXPECT_TRUE(field.OutsideIsUntouched());
  EXPECT_THAT(harness.Leftovers(), IsEmpty());
}

TEST(PoolRaceTest, SwappedNodesNeverGiveAnotherDevice) {
  BlockLab lab;
  ASSERT_TRUE(lab.Add("root", 1 << 20));
  ASSERT_TRUE(lab.Add("other", 1 << 20));
  const std::string node = lab.node("root");
  const std::string secret = lab.dir() + "/secret";
  std::ofstream(secret) << "secret";
  fs::create_symlink(lab.node("other"), node + ".link");
  fs::create_symlink(secret, node + ".secret");
  std::ofstream(node + ".file") << "file";
  absl::StatusOr<BlockSource> source = ReadBlockSource(lab.dir() + "/list");
  ASSERT_THAT(source, IsOk());
  const BlockPool pool(*std::move(source), "/sys", lab.dev_dir());
  const Inode before = InodeOf(secret);
  int64_t opened = 0;
  int64_t refused = 0;
  int64_t strange = 0;

  Swapper swapper({{node, node + ".link", lab.node("other"), node + ".secret",
                    node + ".file"}},
                  kDeviceSwaps);
  while (!swapper.done() || opened == 0) {
    const absl::StatusOr<UniqueFd> fd =
        pool.Open("blocks", "root", ImageUse::kWrite);
    if (!fd.ok()) {
      ++refused;
      if (swapper.done()) break;
      continue;
    }
    ++opened;
    struct stat info = {};
    if (fstat(fd->get(), &info) != 0 || !S_ISBLK(info.st_mode) ||
        info.st_rdev != lab.number("root")) {
      ++strange;
    }
  }
  swapper.Stop();

  std::cout << swapper.swaps() << " swaps, " << opened << " opened, " << refused
            << " refused" << std::endl;
  EXPECT_EQ(swapper.failures(), 0);
  EXPECT_EQ(strange, 0);
  EXPECT_GT(opened, 0);
  EXPECT_GT(refused, 0);
  EXPECT_EQ(InodeOf(secret), before);
  EXPECT_THAT(ReadFile(secret, 64), IsOkAndHolds("secret"));
}

}  // namespace
}  // namespace innkeeper
