#include "base/file.h"

#include <sys/stat.h>

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/testing/status_matchers.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

TEST(FileTest, WrittenFileIsReadBackWithItsMode) {
  const std::string path = absl::StrCat(testing::TempDir(), "/file_test_a");

  ASSERT_THAT(WriteFileAtomically(path, "one", 0600), IsOk());
  ASSERT_THAT(WriteFileAtomically(path, "two", 0640), IsOk());

  EXPECT_THAT(ReadFile(path, 10), IsOkAndHolds("two"));
  struct stat info;
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0640u);
}

TEST(FileTest, LongerThanTheLimitIsRefused) {
  const std::string path = absl::StrCat(testing::TempDir(), "/file_test_b");
  ASSERT_THAT(WriteFileAtomically(path, "12345", 0600), IsOk());

  EXPECT_THAT(ReadFile(path, 4),
              StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST(FileTest, AbsentFileIsNotFound) {
  EXPECT_THAT(ReadFile("/nonexistent/x", 4),
              StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace innkeeper
