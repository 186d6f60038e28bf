#include "agent/keeper/log_file.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <string>

#include "base/file.h"
#include "base/testing/status_matchers.h"
#include "base/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

class LogFileTest : public testing::Test {
 protected:
  LogFileTest() {
    std::string path = testing::TempDir() + "/log-XXXXXX";
    dir_ = mkdtemp(path.data());
    fd_.reset(open(dir_.c_str(), O_RDONLY | O_DIRECTORY));
  }
  std::string Read(const std::string& name) {
    return ReadFile(dir_ + "/" + name, 1 << 20).value_or("absent");
  }

  std::string dir_;
  UniqueFd fd_;
};

TEST_F(LogFileTest, FullFilesAreRotatedAndTheOldestIsDropped) {
  LogFile log(fd_.get(), "a.log", 10, 3);

  log.Append("0123456789ABCDEFGHIJ", 20);
  log.Append("abcdefghijklmno", 15);

  EXPECT_EQ(Read("a.log"), "klmno");
  EXPECT_EQ(Read("a.log.1"), "abcdefghij");
  EXPECT_EQ(Read("a.log.2"), "ABCDEFGHIJ");
  EXPECT_EQ(Read("a.log.3"), "absent");
}

TEST_F(LogFileTest, WritingGoesOnWhereAnEarlierWriterStopped) {
  LogFile(fd_.get(), "a.log", 10, 2).Append("012345", 6);

  LogFile(fd_.get(), "a.log", 10, 2).Append("6789AB", 6);

  EXPECT_EQ(Read("a.log.1"), "0123456789");
  EXPECT_EQ(Read("a.log"), "AB");
}

TEST_F(LogFileTest, LostBytesAreCountedAndSaidOnceThereIsRoom) {
  LogFile log(fd_.get(), "a.log", 1000, 2);
  // A directory in the way: the file cannot be opened.
  ASSERT_EQ(mkdirat(fd_.get(), "a.log", 0700), 0);
  log.Append("lost", 4);
  log.Append("too", 3);
  EXPECT_EQ(log.lost(), 7u);
  ASSERT_EQ(unlinkat(fd_.get(), "a.log", AT_REMOVEDIR), 0);

  log.Append("kept", 4);

  EXPECT_EQ(Read("a.log"), "\n[innkeeper: 7 bytes lost here]\nkept");
  EXPECT_EQ(log.lost(), 0u);
}

TEST_F(LogFileTest, FullDiskLosesBytesAndNothingElse) {
  signal(SIGXFSZ, SIG_IGN);
  rlimit before;
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small = {5, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  LogFile log(fd_.get(), "a.log", 1000, 2);
  log.Append("0123456789", 10);
  const uint64_t lost = log.lost();
  setrlimit(RLIMIT_FSIZE, &before);

  log.Append("more", 4);

  EXPECT_EQ(lost, 5u);
  EXPECT_EQ(Read("a.log"), "01234\n[innkeeper: 5 bytes lost here]\nmore");
}

}  // namespace
}  // namespace innkeeper
