#include "agent/guest/guest_name.h"

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/error.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using ::testing::HasSubstr;

TEST(GuestNameTest, IdsOfLettersDigitsAndDashesAreTaken) {
  for (const absl::string_view id : {"a", "web", "web-1", "a-b-c", "x0"}) {
    EXPECT_TRUE(IsGuestId(id)) << id;
  }
  EXPECT_TRUE(IsGuestId(std::string(63, 'a')));
}

TEST(GuestNameTest, HostileIdsAreRefused) {
  for (const absl::string_view id :
       {"", ".", "..", "-", "-a", "a-", "1a", "A", "aB", "a_b", "a.b", "a/b",
        "a,process=evil", "a b", "a\n", "%s", "$(x)",
        ("\xe2\x80\xae"
         "a")}) {
    EXPECT_FALSE(IsGuestId(id)) << id;
  }
  EXPECT_FALSE(IsGuestId(absl::string_view("a\0b", 3)));
  EXPECT_FALSE(IsGuestId(std::string(64, 'a')));
}

TEST(GuestNameTest, ANameIsItsIdBehindTheCollection) {
  EXPECT_EQ(ToGuestName("web"), "guests/web");
  EXPECT_THAT(ParseGuestName("guests/web", "name"), IsOkAndHolds("web"));
}

TEST(GuestNameTest, AnotherNameIsRefusedByFieldAndForm) {
  for (const absl::string_view name :
       {"web", "guests/", "guests/../etc", "guests/a/b", "hosts/a", ""}) {
    const auto id = ParseGuestName(name, "guest.name");
    EXPECT_THAT(id, StatusIs(absl::StatusCode::kInvalidArgument,
                             HasSubstr("must be guests/{guest}")));
    ASSERT_EQ(DetailsOf(id.status()).fields.size(), 1u) << name;
    EXPECT_EQ(DetailsOf(id.status()).fields[0].field, "guest.name");
  }
}

TEST(GuestNameTest, AHugeNameMakesNoHugeMessage) {
  const auto id = ParseGuestName(std::string(1 << 20, '\n'), "name");

  EXPECT_LT(id.status().message().size(), 1000u);
}

}  // namespace
}  // namespace innkeeper
