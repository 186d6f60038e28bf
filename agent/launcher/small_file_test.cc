#include "agent/launcher/small_file.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

class SmallFileTest : public testing::Test {
 protected:
  SmallFileTest() {
    dir_ = absl::StrCat(testing::TempDir(), "/fileXXXXXX");
    EXPECT_NE(mkdtemp(dir_.data()), nullptr);
    path_ = absl::StrCat(dir_, "/f");
  }
  mode_t ModeOf(const std::string& path) {
    struct stat info = {};
    EXPECT_EQ(lstat(path.c_str(), &info), 0);
    return info.st_mode & 07777;
  }

  std::string dir_;
  std::string path_;
};

TEST_F(SmallFileTest, FileHoldsWhatWasWrittenLast) {
  ASSERT_THAT(ReplaceFile(path_, "a longer text", 0600), IsOk());
  ASSERT_THAT(ReplaceFile(path_, "short", 0600), IsOk());

  EXPECT_THAT(ReadFile(path_, 100), IsOkAndHolds("short"));
  EXPECT_NE(access(absl::StrCat(path_, ".new").c_str(), F_OK), 0);
}

TEST_F(SmallFileTest, ModeIsTheOneAskedForWhateverTheUmask) {
  const mode_t before = umask(0077);
  EXPECT_THAT(ReplaceFile(path_, "x", 0644), IsOk());
  umask(0);
  EXPECT_THAT(ReplaceFile(absl::StrCat(dir_, "/g"), "x", 0600), IsOk());
  umask(before);

  EXPECT_EQ(ModeOf(path_), 0644u);
  EXPECT_EQ(ModeOf(absl::StrCat(dir_, "/g")), 0600u);
}

TEST_F(SmallFileTest, ReaderOfTheOldFileKeepsTheOldContent) {
  ASSERT_THAT(ReplaceFile(path_, "old", 0600), IsOk());
  std::ifstream reader(path_);
  ASSERT_THAT(ReplaceFile(path_, "new", 0600), IsOk());

  std::string text;
  reader >> text;
  EXPECT_EQ(text, "old");
}

TEST_F(SmallFileTest, LinkInTheWayIsRefusedAndItsTargetUntouched) {
  const std::string target = absl::StrCat(dir_, "/target");
  std::ofstream(target) << "precious";
  ASSERT_EQ(symlink(target.c_str(), absl::StrCat(path_, ".new").c_str()), 0);

  EXPECT_THAT(ReplaceFile(path_, "x", 0600), HasReason(reason::kSystemError));
  EXPECT_THAT(ReadFile(target, 100), IsOkAndHolds("precious"));
}

TEST_F(SmallFileTest, LeftoverOfAKilledWriterIsNoObstacle) {
  std::ofstream(absl::StrCat(path_, ".new")) << "half a longer te";

  ASSERT_THAT(ReplaceFile(path_, "whole", 0600), IsOk());
  EXPECT_THAT(ReadFile(path_, 100), IsOkAndHolds("whole"));
}

TEST_F(SmallFileTest, DirectoryThatIsNotThereIsNamed) {
  const std::string path = absl::StrCat(dir_, "/no/f");
  const absl::Status status = ReplaceFile(path, "x", 0600);

  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr(path));
}

}  // namespace
}  // namespace innkeeper
