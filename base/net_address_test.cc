#include "base/net_address.h"

#include <optional>
#include <string>

#include "gtest/gtest.h"

namespace innkeeper {
namespace {

TEST(NetAddressTest, MacIsReadInEitherCaseAndWrittenInLowerCase) {
  const std::optional<MacAddress> mac = ParseMac("52:54:00:AB:cd:0f");
  ASSERT_TRUE(mac.has_value());
  EXPECT_EQ(FormatMac(*mac), "52:54:00:ab:cd:0f");
}

TEST(NetAddressTest, OtherShapesOfMacAreRefused) {
  for (const char* text :
       {"", "52:54:00:ab:cd", "52:54:00:ab:cd:0f:", "52-54-00-ab-cd-0f",
        "52:54:00:ab:cd:0g", "525:4:00:ab:cd:0f", "52:54:00:ab:cd:0f00"}) {
    EXPECT_FALSE(ParseMac(text).has_value()) << text;
  }
  EXPECT_FALSE(ParseMac(std::string("52:54:00:ab:cd:\0f", 17)).has_value());
}

TEST(NetAddressTest, GroupsAndZeroAreNoMacOfAnInterface) {
  EXPECT_TRUE(IsUnicastMac(*ParseMac("52:54:00:00:00:01")));
  EXPECT_FALSE(IsUnicastMac(*ParseMac("01:00:5e:00:00:01")));
  EXPECT_FALSE(IsUnicastMac(*ParseMac("ff:ff:ff:ff:ff:ff")));
  EXPECT_FALSE(IsUnicastMac(*ParseMac("00:00:00:00:00:00")));
}

TEST(NetAddressTest, IpComesBackInItsShortestForm) {
  EXPECT_EQ(FormatIp(ParseIp("192.0.2.7").value()), "192.0.2.7");
  EXPECT_EQ(FormatIp(ParseIp("2001:DB8:0:0::7").value()), "2001:db8::7");
}

TEST(NetAddressTest, OtherShapesOfIpAreRefused) {
  for (const char* text : {"", "192.0.2", "192.0.2.7/24", "fe80::1%eth0",
                           "192.0.2.07.1", "::ffff:192.0.2.7", "host"}) {
    EXPECT_FALSE(ParseIp(text).has_value()) << text;
  }
  EXPECT_FALSE(ParseIp(std::string("192.0.2.7\0x", 11)).has_value());
  EXPECT_EQ(FormatIp("12345"), "");
}

TEST(NetAddressTest, OnlyAddressesOfOneInterfaceAreUnicast) {
  for (const char* text : {"192.0.2.7", "10.0.0.1", "2001:db8::7", "fe80::1"}) {
    EXPECT_TRUE(IsUnicastIp(*ParseIp(text))) << text;
  }
  for (const char* text : {"0.0.0.0", "127.0.0.1", "224.0.0.1", "240.0.0.1",
                           "255.255.255.255", "::", "::1", "ff02::1"}) {
    EXPECT_FALSE(IsUnicastIp(*ParseIp(text))) << text;
  }
  EXPECT_FALSE(IsUnicastIp("12345"));
}

TEST(NetAddressTest, LinkLocalAddressFollowsFromTheMac) {
  EXPECT_EQ(FormatIp(LinkLocalOf(*ParseMac("52:54:00:12:34:56"))),
            "fe80::5054:ff:fe12:3456");
}

}  // namespace
}  // namespace innkeeper
