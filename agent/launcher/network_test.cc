// Taps of guests, and what a guest can put onto its network by them.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/launcher/testing/frames.h"
#include "agent/launcher/testing/launcher_harness.h"
#include "agent/launcher/testing/test_network.h"
#include "base/net_address.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr char kMacA[] = "52:54:00:00:00:0a";
constexpr char kMacB[] = "52:54:00:00:00:0b";
constexpr char kEveryone[] = "ff:ff:ff:ff:ff:ff";
constexpr char kOther[] = "52:54:00:00:00:99";
constexpr int kTapFd = 20;
constexpr uint16_t kArp = 0x0806;
constexpr uint16_t kIp4 = 0x0800;
constexpr uint16_t kIp6 = 0x86dd;
constexpr uint8_t kUdp = 17;
constexpr uint8_t kIcmp6 = 58;

// Two guests of one owner on one network.
class TwoGuests {
 public:
  TwoGuests(const std::string& options,
            const std::vector<std::string>& addresses) {
    EXPECT_THAT(harness_.Start({}, {network_.Flag("lan", options)}), IsOk());
    a_ = std::make_unique<TapEnd>(Launch("a", kMacA, addresses), kTapFd);
    b_ = std::make_unique<TapEnd>(Launch("b", kMacB, {"192.0.2.11"}), kTapFd);
  }

  TapEnd& a() { return *a_; }
  TapEnd& b() { return *b_; }
  TestNetwork& network() { return network_; }
  LauncherHarness& harness() { return harness_; }

  // Which of `frames`, sent by guest a, guest b sees.
  std::vector<std::string> SeenByB(const std::vector<std::string>& frames) {
    for (const std::string& frame : frames) EXPECT_TRUE(a().Send(frame));
    // What nobody stops, and comes last.
    const std::string last = Ethernet(
        kEveryone, kMacA, kArp, Arp(1, kMacA, "192.0.2.10", "192.0.2.254"));
    EXPECT_TRUE(a().Send(last));
    std::vector<std::string> seen;
    const std::vector<std::string> all = b().ReceiveUntil(
        [&](const std::string& frame) { return frame == last; });
    EXPECT_THAT(all, Contains(last));
    for (const std::string& frame : frames) {
      for (const std::string& one : all) {
        if (one == frame) seen.push_back(frame);
      }
    }
    return seen;
  }

 private:
  Launched Launch(const std::string& guest, const std::string& mac,
                  const std::vector<std::string>& addresses) {
    LaunchPlan plan = harness_.FakePlan(guest, {"sleep"});
    AddTap("lan", mac, addresses, kTapFd, &plan);
    auto launched = harness_.Launch(plan);
    EXPECT_THAT(launched, IsOk());
    return *std::move(launched);
  }

  // First, and so last to go.
  TestNetwork network_;
  LauncherHarness harness_;
  std::unique_ptr<TapEnd> a_;
  std::unique_ptr<TapEnd> b_;
};

// A frame and what it would be the forgery of.
struct Forgery {
  const char* what;
  std::string frame;
};

// What no guest may send, whatever its addresses are.
std::vector<Forgery> Forgeries() {
  const std::string advertisement =
      Ip6("fe80::bad", "ff02::1", kIcmp6, Icmp6(134, ""));
  const std::string hello =
      Ip4("192.0.2.10", "192.0.2.11", kUdp, Udp(1000, 2000, "hello"));
  const std::string server4 =
      Ip4("192.0.2.10", "255.255.255.255", kUdp, Udp(67, 68, "offer"));
  // Extension headers: next header, length in words of 8 beyond the first.
  const std::string options =
      std::string("\x3a\x00\x01\x04\x00\x00\x00\x00", 8);
  const std::string first_fragment =
      std::string("\x3a\x00\x00\x01\x00\x00\x00\x07", 8);
  const std::string fragmented_options =
      std::string("\x3c\x00\x00\x01\x00\x00\x00\x07", 8) + options;
  return {
      {"a source MAC of another", Ethernet(kEveryone, kOther, kIp4, hello)},
      {"a source MAC of a guest", Ethernet(kEveryone, kMacB, kIp4, hello)},
      {"an ARP sender of another",
       Ethernet(kEveryone, kMacA, kArp,
                Arp(2, kOther, "192.0.2.1", "192.0.2.11"))},
      {"an ARP question of another",
       Ethernet(kEveryone, kMacA, kArp,
                Arp(1, kMacB, "192.0.2.11", "192.0.2.1"))},
      {"ARP of another hardware",
       Ethernet(kEveryone, kMacA, kArp,
                std::string("\x00\x06", 2) +
                    Arp(2, kMacA, "192.0.2.1", "192.0.2.11").substr(2))},
      {"a router advertisement",
       Ethernet("33:33:00:00:00:01", kMacA, kIp6, advertisement)},
      {"a router advertisement behind options",
       Ethernet("33:33:00:00:00:01", kMacA, kIp6,
                Ip6("fe80::bad", "ff02::1", 60, options + Icmp6(134, "")))},
      {"a router advertisement in a fragment",
       Ethernet(
           "33:33:00:00:00:01", kMacA, kIp6,
           Ip6("fe80::bad", "ff02::1", 44, first_fragment + Icmp6(134, "")))},
      {"the options before one in a fragment",
       Ethernet("33:33:00:00:00:01", kMacA, kIp6,
                Ip6("fe80::bad", "ff02::1", 44, fragmented_options))},
      {"a redirect", Ethernet(kEveryone, kMacA, kIp6,
                              Ip6("fe80::bad", "fe80::b", kIcmp6,
                                  Icmp6(137, "2001:db8::1")))},
      {"a DHCP server's answer", Ethernet(kEveryone, kMacA, kIp4, server4)},
      {"a DHCP answer from another port",
       Ethernet(
           kEveryone, kMacA, kIp4,
           Ip4("192.0.2.10", "255.255.255.255", kUdp, Udp(6767, 68, "offer")))},
      {"a DHCPv6 server's answer",
       Ethernet(kEveryone, kMacA, kIp6,
                Ip6("fe80::a", "fe80::b", kUdp, Udp(547, 546, "reply")))},
      {"a DHCPv6 answer from another port",
       Ethernet(kEveryone, kMacA, kIp6,
                Ip6("fe80::a", "fe80::b", kUdp, Udp(5470, 546, "reply")))},
      {"a VLAN tag",
       Ethernet(kEveryone, kMacA, 0x8100, Big16(7) + Big16(kIp4) + hello)},
      {"a tag of priority only",
       Ethernet(kEveryone, kMacA, 0x8100, Big16(0) + Big16(kIp4) + hello)},
      {"a service tag",
       Ethernet(kEveryone, kMacA, 0x88a8, Big16(7) + Big16(kIp4) + hello)},
      {"a tag within a tag",
       Ethernet(kEveryone, kMacA, 0x88a8,
                Big16(7) + Big16(0x8100) + Big16(8) + Big16(kIp4) + hello)},
      {"a router advertisement behind a tag",
       Ethernet("33:33:00:00:00:01", kMacA, 0x8100,
                Big16(0) + Big16(kIp6) + advertisement)},
      {"another protocol", Ethernet(kEveryone, kMacA, 0x88cc, hello)},
      {"a spanning tree",
       Ethernet(kEveryone, kMacA, 38,
                std::string("\x42\x42\x03", 3) + std::string(35, '\0'))},
  };
}

// What only a guest with declared addresses may not send.
std::vector<Forgery> ForgeriesOfBound() {
  return {
      {"an IPv4 source of another",
       Ethernet(kMacB, kMacA, kIp4,
                Ip4("192.0.2.1", "192.0.2.11", kUdp, Udp(1, 2, "x")))},
      {"an ARP answer for another's address",
       Ethernet(kEveryone, kMacA, kArp,
                Arp(2, kMacA, "192.0.2.1", "192.0.2.11"))},
      {"an ARP probe for another's address",
       Ethernet(kEveryone, kMacA, kArp,
                Arp(1, kMacA, "0.0.0.0", "192.0.2.11"))},
      {"an IPv6 source of another",
       Ethernet(kMacB, kMacA, kIp6,
                Ip6("2001:db8::b", "2001:db8::c", kUdp, Udp(1, 2, "x")))},
      {"a neighbour advertisement for another's address",
       Ethernet(
           kMacB, kMacA, kIp6,
           Ip6("2001:db8::a", "ff02::1", kIcmp6, Icmp6(136, "2001:db8::b")))},
      {"a probe for another's IPv6 address",
       Ethernet(kEveryone, kMacA, kIp6,
                Ip6("::", "ff02::1", kIcmp6, Icmp6(135, "2001:db8::b")))},
      {"an unspecified source of anything else",
       Ethernet(kEveryone, kMacA, kIp4,
                Ip4("0.0.0.0", "255.255.255.255", kUdp, Udp(1, 2, "x")))},
  };
}

std::vector<std::string> FramesOf(const std::vector<Forgery>& forgeries) {
  std::vector<std::string> frames;
  frames.reserve(forgeries.size());
  for (const Forgery& forgery : forgeries) frames.push_back(forgery.frame);
  return frames;
}

TEST(NetworkTest, GuestsOfOneNetworkReachEachOther) {
  TwoGuests guests("", {});
  const std::vector<std::string> frames = {
      Ethernet(kMacB, kMacA, kIp4,
               Ip4("198.51.100.7", "192.0.2.11", kUdp, Udp(1, 2, "any"))),
      Ethernet(kEveryone, kMacA, kArp,
               Arp(2, kMacA, "198.51.100.7", "192.0.2.11")),
      Ethernet(kMacB, kMacA, kIp6,
               Ip6("2001:db8::a", "2001:db8::b", kUdp, Udp(1, 2, "any"))),
  };
  EXPECT_EQ(guests.SeenByB(frames), frames);
}

TEST(NetworkTest, GuestsOfAnIsolatedNetworkReachTheHostOnly) {
  TwoGuests guests(":isolated", {});
  guests.network().Run("ip address add 192.0.2.1/24 dev br0");
  const auto ask = [](const std::string& mac, const std::string& ip) {
    return Ethernet(kEveryone, mac, kArp, Arp(1, mac, ip, "192.0.2.1"));
  };
  const auto is_answer = [](const std::string& frame) {
    return frame.substr(12, 2) == Big16(kArp) &&
           frame.substr(20, 2) == Big16(2);
  };

  const std::string question = ask(kMacA, "192.0.2.10");
  ASSERT_TRUE(guests.a().Send(question));
  const auto seen_by_a = guests.a().ReceiveUntil(is_answer);
  ASSERT_TRUE(guests.b().Send(ask(kMacB, "192.0.2.11")));
  const auto seen_by_b = guests.b().ReceiveUntil(is_answer);

  ASSERT_THAT(seen_by_a, Not(IsEmpty()));
  EXPECT_TRUE(is_answer(seen_by_a.back())) << "a does not reach the host";
  ASSERT_THAT(seen_by_b, Not(IsEmpty()));
  EXPECT_TRUE(is_answer(seen_by_b.back())) << "b does not reach the host";
  EXPECT_THAT(seen_by_b, Not(Contains(question)));
}

TEST(NetworkTest, ForgedFramesOfOneGuestAreNotSeenByAnother) {
  TwoGuests guests("", {});
  const std::vector<Forgery> forgeries = Forgeries();
  const std::vector<std::string> seen = guests.SeenByB(FramesOf(forgeries));
  for (const Forgery& forgery : forgeries) {
    EXPECT_THAT(seen, Not(Contains(forgery.frame))) << forgery.what;
  }
}

// So that the test above cannot hold for another reason than the filter.
TEST(NetworkTest, WithoutTheFilterEveryForgedFrameWouldBeSeen) {
  TwoGuests guests("", {});
  guests.network().Run("nft flush ruleset");
  const std::vector<Forgery> forgeries = Forgeries();
  const std::vector<std::string> seen = guests.SeenByB(FramesOf(forgeries));
  for (const Forgery& forgery : forgeries) {
    EXPECT_THAT(seen, Contains(forgery.frame)) << forgery.what;
  }
}

TEST(NetworkTest, GuestWithDeclaredAddressesSendsFromTheseOnly) {
  TwoGuests guests(":declared", {"192.0.2.10", "2001:db8::a"});
  std::vector<Forgery> forgeries = Forgeries();
  for (const Forgery& forgery : ForgeriesOfBound()) {
    forgeries.push_back(forgery);
  }
  const std::vector<std::string> seen = guests.SeenByB(FramesOf(forgeries));
  for (const Forgery& forgery : forgeries) {
    EXPECT_THAT(seen, Not(Contains(forgery.frame))) << forgery.what;
  }
  const std::string link_local = "fe80::5054:ff:fe00:a";
  const std::vector<std::string> honest = {
      Ethernet(kMacB, kMacA, kIp4,
               Ip4("192.0.2.10", "192.0.2.11", kUdp, Udp(1, 2, "own"))),
      Ethernet(kEveryone, kMacA, kArp, Arp(1, kMacA, "0.0.0.0", "192.0.2.10")),
      Ethernet(kEveryone, kMacA, kIp4,
               Ip4("0.0.0.0", "255.255.255.255", kUdp, Udp(68, 67, "ask"))),
      Ethernet(kMacB, kMacA, kIp6,
               Ip6("2001:db8::a", "2001:db8::b", kUdp, Udp(1, 2, "own"))),
      Ethernet(kEveryone, kMacA, kIp6,
               Ip6("::", "ff02::1", kIcmp6, Icmp6(135, "2001:db8::a"))),
      Ethernet(kEveryone, kMacA, kIp6,
               Ip6(link_local, "ff02::1", kIcmp6, Icmp6(136, "2001:db8::a"))),
  };
  EXPECT_EQ(guests.SeenByB(honest), honest);
}

TEST(NetworkTest, FilterIsThereAgainAfterTheHostsRulesWereFlushed) {
  TwoGuests guests("", {});
  guests.network().Run("nft flush ruleset");
  ASSERT_EQ(guests.network().Filter(guests.harness().instance()), "");

  LaunchPlan plan = guests.harness().FakePlan("c", {"sleep"});
  AddTap("lan", "52:54:00:00:00:0c", {}, kTapFd, &plan);
  ASSERT_THAT(guests.harness().Launch(plan), IsOk());

  EXPECT_THAT(guests.network().Filter(guests.harness().instance()),
              AllOf(HasSubstr(kMacA), HasSubstr(kMacB),
                    HasSubstr("52:54:00:00:00:0c")));
  const std::vector<Forgery> forgeries = Forgeries();
  EXPECT_THAT(guests.SeenByB(FramesOf(forgeries)), IsEmpty());
}

TEST(NetworkTest, NftThatChangesNothingIsNotBelieved) {
  const TestNetwork network;
  LauncherHarness harness;
  ASSERT_THAT(harness.Start({}, {network.Flag("lan"), "--nft=/bin/true"}),
              IsOk());
  LaunchPlan plan = harness.FakePlan("open", {"sleep"});
  AddTap("lan", kMacA, {}, kTapFd, &plan);

  const absl::Status refused = harness.Launch(plan).status();

  EXPECT_THAT(refused, HasReason(reason::kNetworkUnavailable));
  EXPECT_THAT(std::string(refused.message()), HasSubstr("/bin/true"));
  EXPECT_THAT(network.TapNames(), IsEmpty());
}

TEST(NetworkTest, FilterHoldsWhileItsLauncherIsReplaced) {
  TwoGuests guests("", {});
  guests.harness().Kill();
  EXPECT_THAT(guests.SeenByB(FramesOf(Forgeries())), IsEmpty());
  ASSERT_THAT(guests.harness().Start({}, {guests.network().Flag("lan")}),
              IsOk());
  EXPECT_THAT(guests.SeenByB(FramesOf(Forgeries())), IsEmpty());
}

TEST(NetworkTest, ReleasedGuestLeavesNeitherTapNorRule) {
  TestNetwork network;
  LauncherHarness harness;
  ASSERT_THAT(harness.Start({}, {network.Flag("lan")}), IsOk());
  LaunchPlan plan = harness.FakePlan("gone", {"sleep"});
  AddTap("lan", kMacA, {"192.0.2.10", "2001:db8::a"}, kTapFd, &plan);
  const auto launched = harness.Launch(plan);
  ASSERT_THAT(launched, IsOk());
  EXPECT_THAT(network.TapNames(), ElementsAre(launched->taps[0]));
  EXPECT_THAT(harness.List(), IsOkAndHolds(ElementsAre(testing::Field(
                                  &KnownGuest::taps, launched->taps))));
  ASSERT_THAT(network.Filter(harness.instance()), HasSubstr(launched->taps[0]));

  ASSERT_THAT(harness.Release("gone"), IsOk());

  EXPECT_THAT(network.TapNames(), IsEmpty());
  EXPECT_THAT(network.Filter(harness.instance()),
              AllOf(HasSubstr("check_arp"), Not(HasSubstr("elements"))));
  // The last launcher takes its table along.
  ASSERT_EQ(harness.Stop(), 0);
  EXPECT_EQ(network.Filter(harness.instance()), "");
}

TEST(NetworkTest, TapHasTheQueuesAndTheSizeThatWereAskedFor) {
  TestNetwork network;
  LauncherHarness harness;
  ASSERT_THAT(harness.Start({}, {network.Flag("lan", ":mtu=1400")}), IsOk());
  LaunchPlan plan = harness.FakePlan("many", {"sleep"});
  AddTap("lan", kMacA, {}, kTapFd, &plan);
  plan.taps[0].queue_count = 2;
  plan.fds.push_back({kTapFd + 1, FdKind::kTapQueue, 1});
  const auto launched = harness.Launch(plan);
  ASSERT_THAT(launched, IsOk());
  EXPECT_TRUE(TapEnd(*launched, kTapFd + 1).valid());
  EXPECT_THAT(network.Run("ip -d link show " + launched->taps[0]),
              AllOf(HasSubstr("mtu 1400"), HasSubstr("multi_queue"),
                    HasSubstr("vnet_hdr on"), HasSubstr("master br0"),
                    HasSubstr("guard on"), HasSubstr("addrgenmode none"),
                    HasSubstr("link/ether fe:54:00:00:00:0a")));
}

TEST(NetworkTest, BridgeIsMadeOnlyWhereTheConfigurationSaysSo) {
  TestNetwork network;
  network.Run("ip link del br0");
  {
    LauncherHarness harness;
    ASSERT_THAT(harness.Start({}, {network.Flag("lan")}), IsOk());
    LaunchPlan plan = harness.FakePlan("a", {"sleep"});
    AddTap("lan", kMacA, {}, kTapFd, &plan);
    EXPECT_THAT(harness.Launch(plan), HasReason(reason::kNetworkUnavailable));
    EXPECT_THAT(harness.Leftovers(), IsEmpty());
    EXPECT_THAT(network.TapNames(), IsEmpty());
    EXPECT_THAT(network.Filter(harness.instance()), Not(HasSubstr("elements")));
  }
  LauncherHarness harness;
  ASSERT_THAT(harness.Start({}, {network.Flag("lan", ":create")}), IsOk());
  LaunchPlan plan = harness.FakePlan("a", {"sleep"});
  AddTap("lan", kMacA, {}, kTapFd, &plan);
  EXPECT_THAT(harness.Launch(plan), IsOk());
  EXPECT_THAT(network.Run("ip -o link show br0"), HasSubstr("UP"));
}

TEST(NetworkTest, NetworkThatCannotBeUsedIsSaidAndLeavesNothing) {
  TestNetwork network;
  network.Run("ip link add br1 type dummy");
  LauncherHarness harness;
  ASSERT_THAT(harness.Start({}, {network.Flag("lan"),
                                 "--network=nowhere=br0:netns=innkeeper-none",
                                 absl::StrCat("--network=odd=br1:netns=",
                                              network.name())}),
              IsOk());
  for (const std::string name : {"nowhere", "odd"}) {
    LaunchPlan plan = harness.FakePlan("a", {"sleep"});
    AddTap("lan", kMacA, {}, kTapFd, &plan);
    AddTap(name, kMacB, {}, kTapFd + 1, &plan);
    const auto launched = harness.Launch(plan);
    EXPECT_THAT(launched, HasReason(reason::kNetworkUnavailable)) << name;
    EXPECT_THAT(launched, StatusIs(absl::StatusCode::kFailedPrecondition,
                                   HasSubstr("'" + name + "'")));
    EXPECT_THAT(harness.Leftovers(), IsEmpty());
    EXPECT_THAT(network.TapNames(), IsEmpty());
    EXPECT_THAT(network.Filter(harness.instance()), Not(HasSubstr("elements")));
  }
}

TEST(NetworkTest, WithoutAFilterThereIsNoTap) {
  TestNetwork network;
  LauncherHarness harness;
  ASSERT_THAT(harness.Start({}, {network.Flag("lan"), "--nft=/bin/false"}),
              IsOk());
  LaunchPlan plan = harness.FakePlan("a", {"sleep"});
  AddTap("lan", kMacA, {}, kTapFd, &plan);
  EXPECT_THAT(harness.Launch(plan), HasReason(reason::kNetworkUnavailable));
  EXPECT_THAT(network.TapNames(), IsEmpty());
  EXPECT_THAT(harness.Leftovers(), IsEmpty());
}

TEST(NetworkTest, AddressesBelongToOneGuestOfANetwork) {
  TestNetwork network;
  LauncherHarness harness;
  ASSERT_THAT(harness.Start({}, {network.Flag("lan"), network.Flag("wan")}),
              IsOk());
  const auto launch = [&](const std::string& guest, const std::string& lan,
                          const std::string& mac, const std::string& ip) {
    LaunchPlan plan = harness.FakePlan(guest, {"sleep"});
    AddTap(lan, mac, {ip}, kTapFd, &plan);
    return harness.Launch(plan).status();
  };
  ASSERT_THAT(launch("a", "lan", kMacA, "192.0.2.10"), IsOk());
  EXPECT_THAT(launch("b", "lan", kMacA, "192.0.2.11"),
              HasReason(reason::kAddressInUse));
  EXPECT_THAT(launch("b", "lan", kMacB, "192.0.2.10"),
              HasReason(reason::kAddressInUse));
  EXPECT_THAT(launch("b", "wan", kMacA, "192.0.2.10"), IsOk());
  ASSERT_THAT(harness.Release("a"), IsOk());
  EXPECT_THAT(launch("c", "lan", kMacA, "192.0.2.10"), IsOk());
}

TEST(NetworkTest, WhatTheConfigurationDoesNotAllowIsRefused) {
  TestNetwork network;
  LauncherHarness harness;
  ASSERT_THAT(harness.Start({}, {network.Flag("lan", ":declared")}), IsOk());
  LaunchPlan plan = harness.FakePlan("a", {"sleep"});
  AddTap("lan", kMacA, {}, kTapFd, &plan);
  EXPECT_THAT(harness.Launch(plan), HasReason(reason::kLauncherRefused));
  plan = harness.FakePlan("a", {"sleep"});
  AddTap("other", kMacA, {}, kTapFd, &plan);
  EXPECT_THAT(harness.Launch(plan), HasReason(reason::kNetworkNotFound));
}

}  // namespace
}  // namespace innkeeper
