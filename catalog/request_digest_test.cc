#include "catalog/request_digest.h"

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "innkeeper/v1/guests.pb.h"

namespace innkeeper {
namespace {

TEST(RequestDigestTest, OrderOfLabelsDoesNotMatterButTheirValuesDo) {
  v1::LaunchGuestRequest up;
  v1::LaunchGuestRequest down;
  for (int i = 0; i < 20; ++i) {
    (*up.mutable_guest()->mutable_labels())[absl::StrCat("k", i)] = "v";
    (*down.mutable_guest()->mutable_labels())[absl::StrCat("k", 19 - i)] = "v";
  }

  EXPECT_EQ(RequestDigest(up), RequestDigest(down));
  EXPECT_EQ(RequestDigest(up).size(), 32u);

  (*down.mutable_guest()->mutable_labels())["k3"] = "w";
  EXPECT_NE(RequestDigest(up), RequestDigest(down));
}

}  // namespace
}  // namespace innkeeper
