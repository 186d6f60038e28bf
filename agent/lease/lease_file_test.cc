#include "agent/lease/lease_file.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/net_address.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

TEST(LeaseFileTest, LeasesComeInTheOrderOfTheFile) {
  const std::vector<Lease> leases = ParseLeases(
      "1764003600 52:54:00:12:34:56 192.0.2.7 web 01:52:54:00:12:34:56\n"
      "0 52:54:00:AB:CD:EF 192.0.2.8 * *\n");
  ASSERT_THAT(leases, SizeIs(2));
  EXPECT_EQ(FormatMac(leases[0].mac), "52:54:00:12:34:56");
  EXPECT_EQ(leases[0].address, "192.0.2.7");
  EXPECT_EQ(leases[0].expiry, absl::FromUnixSeconds(1764003600));
  EXPECT_EQ(FormatMac(leases[1].mac), "52:54:00:ab:cd:ef");
  EXPECT_EQ(leases[1].expiry, absl::InfiniteFuture());
}

TEST(LeaseFileTest, LinesOfDhcpVersion6ArePassedOver) {
  EXPECT_THAT(
      ParseLeases("duid 00:01:00:01:2e:b5:5a:4e:52:54:00:12:34:56\n"
                  "1764003600 1193046 2001:db8::7 web 00:01:00:01:2e:b5\n"),
      IsEmpty());
}

TEST(LeaseFileTest, WhatIsNoLeaseIsPassedOver) {
  for (const std::string line :
       {"", "x", "1 52:54:00:12:34:56", "1  52:54:00:12:34:56 192.0.2.7 * *",
        "-1 52:54:00:12:34:56 192.0.2.7 * *",
        "99999999999999999999 52:54:00:12:34:56 192.0.2.7 * *",
        "1 52:54:00:12:34 192.0.2.7 * *",
        "1 06-52:54:00:12:34:56 192.0.2.7 * *",
        "1 52:54:00:12:34:56 192.0.2 * *",
        "1 52:54:00:12:34:56 255.255.255.255 * *"}) {
    EXPECT_THAT(ParseLeases(line + "\n0 52:54:00:00:00:01 192.0.2.1 * *"),
                SizeIs(1))
        << line;
  }
}

TEST(LeaseFileTest, ThereAreOnlySoMany) {
  std::string text;
  for (size_t i = 0; i < kMaxLeases + 2; ++i) {
    absl::StrAppend(&text, "0 52:54:00:12:34:56 192.0.2.7 * *\n");
  }
  EXPECT_THAT(ParseLeases(text), SizeIs(kMaxLeases));
}

}  // namespace
}  // namespace innkeeper
