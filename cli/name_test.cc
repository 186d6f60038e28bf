#include "cli/name.h"

#include "absl/status/status.h"
#include "base/testing/status_matchers.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

TEST(NameTest, ShortAndFullNamesMeanTheSame) {
  EXPECT_THAT(FullName("guests", "web"), IsOkAndHolds("guests/web"));
  EXPECT_THAT(FullName("guests", "guests/web"), IsOkAndHolds("guests/web"));
  EXPECT_THAT(FullName("hosts", "h1"), IsOkAndHolds("hosts/h1"));
  EXPECT_THAT(OwnerName("alice"), IsOkAndHolds("user/alice"));
  EXPECT_THAT(OwnerName("user/alice"), IsOkAndHolds("user/alice"));
  EXPECT_THAT(VolumeName("main/root"), IsOkAndHolds("pools/main/volumes/root"));
  EXPECT_THAT(VolumeName("pools/main/volumes/root"),
              IsOkAndHolds("pools/main/volumes/root"));
  EXPECT_EQ(ShortName("guests/web"), "web");
  EXPECT_EQ(ShortName("web"), "web");
}

TEST(NameTest, NameOfAnotherKindIsRefused) {
  for (const char* text : {"", "hosts/h1", "guests/", "guests/a/b", "/"}) {
    EXPECT_THAT(FullName("guests", text),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << text;
  }
  for (const char* text : {"", "service/ci", "user/", "user/a/b"}) {
    EXPECT_THAT(OwnerName(text), StatusIs(absl::StatusCode::kInvalidArgument))
        << text;
  }
  for (const char* text : {"", "root", "a/b/c", "/etc/passwd", "main/",
                           "pools/a/volumes/", "pools/a/other/b"}) {
    EXPECT_THAT(VolumeName(text), StatusIs(absl::StatusCode::kInvalidArgument))
        << text;
  }
}

}  // namespace
}  // namespace innkeeper
