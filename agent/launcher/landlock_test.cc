#include "agent/launcher/landlock.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/unique_fd.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

bool CanOpen(const std::string& path, int flags) {
  const int fd = open(path.c_str(), flags | O_CLOEXEC, 0600);
  if (fd >= 0) close(fd);
  return fd >= 0;
}

class LandlockTest : public testing::Test {
 protected:
  void SetUp() override {
    if (LandlockAbi() == 0) {
      GTEST_SKIP() << "NOT RUN: this kernel has no Landlock";
    }
  }

  // Whether `holds` does in a confined child.
  bool Confined(const std::function<bool()>& holds) {
    const pid_t child = fork();
    if (child == 0) {
      prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
      if (!ConfineFiles(LandlockAbi(), {"/dev/null"}, readable_).ok()) _exit(2);
      _exit(holds() ? 0 : 1);
    }
    int status = -1;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    EXPECT_NE(WEXITSTATUS(status), 2) << "not confined";
    return status == 0;
  }

  std::vector<int> readable_;
  const std::string file_ = absl::StrCat(testing::TempDir(), "/landlock");
};

TEST_F(LandlockTest, FilesCanBeReadAndNotWritten) {
  ASSERT_TRUE(CanOpen(file_, O_RDWR | O_CREAT));

  EXPECT_TRUE(Confined([&] { return CanOpen(file_, O_RDONLY); }));
  EXPECT_FALSE(Confined([&] { return CanOpen(file_, O_WRONLY); }));
  EXPECT_FALSE(Confined([&] { return CanOpen(file_, O_RDWR); }));
}

TEST_F(LandlockTest, NothingCanBeMadeRenamedOrRemoved) {
  ASSERT_TRUE(CanOpen(file_, O_RDWR | O_CREAT));

  EXPECT_FALSE(
      Confined([&] { return CanOpen(file_ + ".new", O_RDWR | O_CREAT); }));
  EXPECT_FALSE(
      Confined([&] { return mkdir((file_ + ".dir").c_str(), 0700) == 0; }));
  EXPECT_FALSE(Confined([&] { return unlink(file_.c_str()) == 0; }));
  EXPECT_FALSE(Confined(
      [&] { return rename(file_.c_str(), (file_ + ".2").c_str()) == 0; }));
}

// Without it QEMU's automatic locking silently becomes none.
TEST_F(LandlockTest, NullDeviceStaysReadableAndWritable) {
  EXPECT_TRUE(Confined([] { return CanOpen("/dev/null", O_RDWR); }));
  EXPECT_FALSE(Confined([] { return CanOpen("/dev/zero", O_RDWR); }));
}

TEST_F(LandlockTest, MemoryCanBeOpenedAgainByItsDescriptor) {
  EXPECT_TRUE(Confined([] {
    const int memory = memfd_create("ram", 0);
    return CanOpen(absl::StrCat("/proc/self/fd/", memory), O_RDWR);
  }));
}

// `name` in `directory`, by a mount that is nowhere in the tree.
UniqueFd OpenDetached(const std::string& directory, const std::string& name) {
  const UniqueFd tree(
      static_cast<int>(syscall(SYS_open_tree, AT_FDCWD, directory.c_str(),
                               OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)));
  return UniqueFd(openat(tree.get(), name.c_str(), O_RDONLY | O_CLOEXEC));
}

// What lies outside of a process's root is below no path that it could name.
TEST_F(LandlockTest, FilesOutsideOfTheRootCanBeReadByTheirDescriptorIfNamed) {
  ASSERT_TRUE(CanOpen(file_, O_RDWR | O_CREAT));
  const UniqueFd outside = OpenDetached(testing::TempDir(), "landlock");
  ASSERT_TRUE(outside.valid());
  const std::string path = absl::StrCat("/proc/self/fd/", outside.get());

  EXPECT_FALSE(Confined([&] { return CanOpen(path, O_RDONLY); }));
  readable_ = {outside.get()};
  EXPECT_TRUE(Confined([&] { return CanOpen(path, O_RDONLY); }));
  EXPECT_FALSE(Confined([&] { return CanOpen(path, O_RDWR); }));
}

TEST_F(LandlockTest, ProgramsCanBeExecuted) {
  EXPECT_TRUE(Confined([] {
    execl("/bin/true", "true", nullptr);
    return false;
  }));
}

TEST_F(LandlockTest, OthersCannotBeSignalled) {
  if (LandlockAbi() < 6) GTEST_SKIP() << "NOT RUN: needs Landlock 6";
  EXPECT_FALSE(Confined([] { return kill(getppid(), 0) == 0; }));
  EXPECT_TRUE(Confined([] { return kill(getpid(), 0) == 0; }));
}

}  // namespace
}  // namespace innkeeper
