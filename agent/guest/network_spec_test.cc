#include "agent/guest/network_spec.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/net_address.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::StartsWith;

constexpr char kUid[] = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";

NetworkSpec Lan() {
  NetworkSpec network;
  network.network = "lan";
  return network;
}

std::vector<std::string> FaultsOf(const std::vector<NetworkSpec>& networks,
                                  bool e1000e = true) {
  std::vector<std::string> faults;
  FindNetworkFaults(networks, e1000e,
                    [&](absl::string_view field, absl::string_view what) {
                      faults.push_back(absl::StrCat(field, " ", what));
                    });
  return faults;
}

TEST(NetworkSpecTest, EverythingWithinBoundsIsAccepted) {
  NetworkSpec full = Lan();
  full.network = "0.a_b-c";
  full.mac = "52:54:00:12:34:56";
  full.queue_count = 8;
  full.addresses = {"192.0.2.7", "2001:db8::7"};
  NetworkSpec old = Lan();
  old.model = NicModel::kE1000e;
  EXPECT_THAT(FaultsOf({Lan(), full, old}), IsEmpty());
}

TEST(NetworkSpecTest, EachFaultIsNamedByItsField) {
  NetworkSpec bad;
  bad.network = "No";
  bad.mac = "01:00:00:00:00:01";
  bad.model = static_cast<NicModel>(7);
  bad.addresses = {"192.0.2.7", "192.0.2.7/24", "2001:DB8::7", "ff02::1",
                   "192.0.2.7"};
  EXPECT_THAT(FaultsOf({Lan(), bad}),
              ElementsAre(StartsWith("networks[1].network "),
                          StartsWith("networks[1].mac_address "),
                          StartsWith("networks[1].model "),
                          StartsWith("networks[1].addresses[1] "),
                          StartsWith("networks[1].addresses[2] "),
                          StartsWith("networks[1].addresses[3] "),
                          StartsWith("networks[1].addresses[4] ")));
}

TEST(NetworkSpecTest, AddressesAreRefusedInAnyFormButTheirOwn) {
  for (const char* mac : {"52:54:00:AB:CD:EF", "52-54-00-ab-cd-ef", "x"}) {
    NetworkSpec network = Lan();
    network.mac = mac;
    EXPECT_THAT(FaultsOf({network}),
                ElementsAre(StartsWith("networks[0].mac_address ")))
        << mac;
  }
  NetworkSpec network = Lan();
  network.addresses.assign(9, "192.0.2.7");
  EXPECT_THAT(FaultsOf({network}),
              ElementsAre(StartsWith("networks[0].addresses must be at most")));
}

TEST(NetworkSpecTest, QueuesAreBoundedForEachAndForAll) {
  NetworkSpec network = Lan();
  for (const int count : {-1, 0, 9}) {
    network.queue_count = count;
    EXPECT_THAT(FaultsOf({network}),
                ElementsAre(StartsWith("networks[0].queue_count ")))
        << count;
  }
  network.queue_count = 8;
  EXPECT_THAT(FaultsOf({network, network}), IsEmpty());
  EXPECT_THAT(FaultsOf({network, network, Lan()}),
              ElementsAre(StartsWith("networks must have at most 16 pairs")));
  network.model = NicModel::kE1000e;
  network.queue_count = 2;
  EXPECT_THAT(FaultsOf({network}),
              ElementsAre(StartsWith("networks[0].queue_count must be 1")));
}

TEST(NetworkSpecTest, MicrovmHasNoPciDevice) {
  NetworkSpec network = Lan();
  network.model = NicModel::kE1000e;
  EXPECT_THAT(FaultsOf({network}, /*e1000e=*/false),
              ElementsAre(StartsWith("networks[0].model ")));
}

TEST(NetworkSpecTest, TooManyAreCountedNotListed) {
  EXPECT_THAT(FaultsOf(std::vector<NetworkSpec>(9)),
              ElementsAre("networks must be at most 8, not 9"));
}

TEST(NetworkSpecTest, MacThatIsNotAskedForFollowsFromTheGuest) {
  EXPECT_EQ(FormatMac(MacOf(Lan(), kUid, 0)), "52:54:e8:2c:33:01");
  EXPECT_EQ(FormatMac(MacOf(Lan(), kUid, 1)), "52:54:e8:2c:33:02");
  NetworkSpec asked = Lan();
  asked.mac = "52:54:00:12:34:56";
  EXPECT_EQ(FormatMac(MacOf(asked, kUid, 1)), "52:54:00:12:34:56");
}

}  // namespace
}  // namespace innkeeper
