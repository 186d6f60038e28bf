#include "agent/driver/qemu/exit_record.h"

#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/file.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using testing::EndsWith;
using testing::SizeIs;

TEST(ExitRecordTest, TheKeepersWordsAreRead) {
  const absl::StatusOr<GuestExit> exit = ParseExitRecord(
      R"({"kind":"signaled","value":9,"time_unix_ms":1800000000123})");

  ASSERT_THAT(exit, IsOk());
  EXPECT_EQ(exit->kind, ExitKind::kSignaled);
  EXPECT_EQ(exit->value, 9);
  EXPECT_EQ(exit->time, absl::FromUnixMillis(1800000000123));
}

TEST(ExitRecordTest, AnythingElseIsRefused) {
  for (const char* bytes :
       {"", "{", "[]", "{}", R"({"kind":"eaten","value":1,"time_unix_ms":1})",
        R"({"kind":"exited","value":"1","time_unix_ms":1})",
        R"({"kind":"exited","value":-1,"time_unix_ms":1})",
        R"({"kind":"exited","value":99999999999,"time_unix_ms":1})",
        R"({"kind":"exited","value":1})"}) {
    EXPECT_THAT(ParseExitRecord(bytes), StatusIs(absl::StatusCode::kDataLoss))
        << bytes;
  }
}

TEST(ExitRecordTest, AbsentRecordIsNotFound) {
  EXPECT_THAT(ReadExitRecord("/nonexistent"),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST(ExitRecordTest, LinkInPlaceOfTheRecordIsNotFollowed) {
  const std::string directory = absl::StrCat(testing::TempDir(), "/exit_b");
  ASSERT_EQ(mkdir(directory.c_str(), 0700), 0);
  ASSERT_EQ(mkdir(absl::StrCat(directory, "/log").c_str(), 0700), 0);
  const std::string other = absl::StrCat(testing::TempDir(), "/other_exit");
  ASSERT_THAT(
      WriteFileAtomically(
          other, R"({"kind":"exited","value":0,"time_unix_ms":1})", 0600),
      IsOk());
  const std::string record = absl::StrCat(directory, "/log/exit");
  ASSERT_EQ(symlink(other.c_str(), record.c_str()), 0);
  EXPECT_FALSE(ReadExitRecord(directory).ok());

  // Nor is another guest's file under a second name.
  ASSERT_EQ(unlink(record.c_str()), 0);
  ASSERT_EQ(link(other.c_str(), record.c_str()), 0);
  EXPECT_FALSE(ReadExitRecord(directory).ok());
}

TEST(ExitRecordTest, OnlyTheEndOfTheErrorTextIsKept) {
  const std::string directory = absl::StrCat(testing::TempDir(), "/exit_a");
  ASSERT_EQ(mkdir(directory.c_str(), 0700), 0);
  ASSERT_EQ(mkdir(absl::StrCat(directory, "/log").c_str(), 0700), 0);
  ASSERT_THAT(WriteFileAtomically(absl::StrCat(directory, "/log/stderr.log"),
                                  std::string(9000, 'x') + "the end\n", 0600),
              IsOk());

  const std::string text = ReadErrorText(directory);

  EXPECT_THAT(text, EndsWith("xthe end"));
  EXPECT_THAT(text, SizeIs(4095));
}

}  // namespace
}  // namespace innkeeper
