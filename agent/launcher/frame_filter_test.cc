#include "agent/launcher/frame_filter.h"

#include <string>
#include <vector>

#include "agent/launcher/journal_entry.h"
#include "base/net_address.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

JournalTap Tap(const std::string& device,
               const std::vector<std::string>& addresses) {
  JournalTap tap;
  tap.device = device;
  tap.network = "lan";
  tap.mac = *ParseMac("52:54:00:12:34:56");
  for (const std::string& address : addresses) {
    tap.addresses.push_back(*ParseIp(address));
  }
  return tap;
}

TEST(FrameFilterTest, TableTakesThePlaceOfWhateverHadItsName) {
  EXPECT_THAT(FilterText("innkeeper-x", {}),
              StartsWith("add table bridge innkeeper-x\n"
                         "delete table bridge innkeeper-x\n"
                         "table bridge innkeeper-x {"));
}

TEST(FrameFilterTest, FilterWithoutGuestsHasRulesAndNoElements) {
  const std::string text = FilterText("innkeeper-x", {});
  EXPECT_THAT(text, HasSubstr("iifname @taps jump guest"));
  EXPECT_THAT(text, Not(HasSubstr("elements")));
}

TEST(FrameFilterTest, GuestWithoutDeclaredAddressesIsBoundToItsMacOnly) {
  const std::string text = FilterText("t", {Tap("ink00000001-0", {})});
  EXPECT_THAT(text, HasSubstr("set taps { type ifname; elements = { "
                              "\"ink00000001-0\" } }"));
  EXPECT_THAT(text, HasSubstr("elements = { \"ink00000001-0\" . "
                              "52:54:00:12:34:56 }"));
  EXPECT_THAT(text, HasSubstr("set bound { type ifname;  }"));
  EXPECT_THAT(text, HasSubstr("set addresses4 { type ifname . ipv4_addr;  }"));
}

TEST(FrameFilterTest, DeclaredIpv6AddressBringsTheLinkLocalOneAlong) {
  const std::string text = FilterText(
      "t", {Tap("ink00000001-0", {"192.0.2.7"}),
            Tap("ink00000002-0", {"2001:db8::7", "fe80::5054:ff:fe12:3456"})});
  EXPECT_THAT(text, HasSubstr("set bound { type ifname; elements = { "
                              "\"ink00000001-0\", \"ink00000002-0\" } }"));
  EXPECT_THAT(text, HasSubstr("ipv4_addr; elements = { \"ink00000001-0\" . "
                              "192.0.2.7 }"));
  EXPECT_THAT(text, HasSubstr("ipv6_addr; elements = { \"ink00000002-0\" . "
                              "2001:db8::7, \"ink00000002-0\" . "
                              "fe80::5054:ff:fe12:3456 }"));
  EXPECT_THAT(text, HasSubstr("\"ink00000002-0\" . "
                              "0xfe80000000000000505400fffe123456 }"));
}

}  // namespace
}  // namespace innkeeper
