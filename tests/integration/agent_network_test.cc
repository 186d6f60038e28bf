// Guests on a network of a real host: what they get, and how that is shown.
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/launcher/testing/test_network.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/caller.h"
#include "tests/integration/console.h"
#include "tests/integration/lab.h"

namespace innkeeper {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::SizeIs;
using testing::StartsWith;

// A real DHCP server on the bridge of a test's network.
class Dnsmasq {
 public:
  explicit Dnsmasq(const TestNetwork& network) {
    char path[] = "/var/tmp/innkeeper-leases-XXXXXX";
    EXPECT_NE(mkdtemp(path), nullptr);
    directory_ = path;
    EXPECT_EQ(chmod(path, 0755), 0);
    EXPECT_EQ(network.Run("ip address add 192.0.2.1/24 dev br0"), "");
    pid_ = fork();
    if (pid_ != 0) return;
    const std::string leases = "--dhcp-leasefile=" + lease_file();
    execlp("ip", "ip", "netns", "exec", network.name().c_str(), "dnsmasq",
           "--conf-file=/dev/null", "--keep-in-foreground", "--user=root",
           "--pid-file=", "--port=0", "--bind-interfaces", "--interface=br0",
           "--except-interface=lo", "--log-facility=/dev/null", "--no-ping",
           "--dhcp-range=192.0.2.50,192.0.2.99,1h", leases.c_str(),
           static_cast<char*>(nullptr));
    _exit(127);
  }
  ~Dnsmasq() {
    kill(pid_, SIGTERM);
    waitpid(pid_, nullptr, 0);
    std::filesystem::remove_all(directory_);
  }

  std::string lease_file() const { return directory_ + "/lan.leases"; }

 private:
  std::string directory_;
  pid_t pid_ = 0;
};

// What `inn` with `arguments` prints.
std::string Inn(const Lab& lab, const std::string& arguments) {
  FILE* const pipe = popen(absl::StrCat("INN_ADDRESS=", lab.local_address(),
                                        " cli/inn ", arguments, " 2>&1")
                               .c_str(),
                           "r");
  std::string text;
  char buffer[4096];
  size_t got;
  while ((got = fread(buffer, 1, sizeof(buffer), pipe)) > 0) {
    text.append(buffer, got);
  }
  pclose(pipe);
  return text;
}

v1::LaunchGuestRequest On(v1::LaunchGuestRequest request,
                          const std::string& network) {
  request.mutable_guest()->mutable_spec()->add_networks()->set_network(
      absl::StrCat("networks/", network));
  return request;
}

TEST(AgentNetworkTest, LinuxGetsALeaseAndItsAddressIsShown) {
  const TestNetwork network;
  const Dnsmasq dnsmasq(network);
  Lab lab;
  ASSERT_THAT(lab.AddTestGuest(), IsOk());
  lab.AddLauncherFlag(network.Flag("lan"));
  lab.AddLeases("lan", dnsmasq.lease_file());
  ASSERT_THAT(lab.Start(), IsOk());
  const Caller owner = lab.As("user/tenant-a");

  ASSERT_THAT(
      owner.Finish(owner.Launch(On(LinuxGuest("web", "user/tenant-a"), "lan"))),
      IsOk());
  const std::string waited = Inn(lab, "wait web --for ip --timeout 2m");

  ASSERT_THAT(waited, MatchesRegex("192\\.0\\.2\\.[5-9][0-9]\n"));
  const std::string address = waited.substr(0, waited.size() - 1);
  // The guest has it, and the host reaches it there.
  Console console(owner, "web");
  EXPECT_TRUE(console.Await("address: " + address)) << console.output();
  EXPECT_THAT(network.Run("busybox ping -c 1 -W 10 " + address),
              HasSubstr("1 packets received"));
  const absl::StatusOr<v1::Guest> guest = owner.Get("web");
  ASSERT_THAT(guest, IsOk());
  ASSERT_THAT(guest->interfaces(), SizeIs(1));
  EXPECT_EQ(guest->interfaces(0).network(), "networks/lan");
  EXPECT_EQ(guest->interfaces(0).address_source(), "lease");
  EXPECT_EQ(guest->interfaces(0).host_device(), network.TapNames().at(0));
  EXPECT_THAT(guest->interfaces(0).mac_address(), StartsWith("52:54:"));
  EXPECT_THAT(Inn(lab, "list -o wide"), HasSubstr(address));
  EXPECT_THAT(Inn(lab, "show web"),
              HasSubstr(absl::StrCat(": ", address, " (lease)")));
  // Neither depends on who remembers it.
  lab.KillAgent();
  ASSERT_THAT(lab.AwaitAgent(), IsOk());
  EXPECT_EQ(Inn(lab, "wait web --for ip --timeout 2m"), waited);
  const Caller again = lab.As("user/tenant-a");
  EXPECT_EQ(again.Get("web")->interfaces(0).host_device(),
            network.TapNames().at(0));

  ASSERT_THAT(again.Finish(again.Stop("web", /*force=*/true)), IsOk());
  EXPECT_THAT(again.Get("web")->addresses(), SizeIs(0));
  EXPECT_THAT(network.TapNames(), SizeIs(0));
}

TEST(AgentNetworkTest, DeclaredAddressIsShownAtOnceAndBelongsToOneGuest) {
  const TestNetwork network;
  Lab lab;
  lab.AddLauncherFlag(network.Flag("lan", ":declared"));
  ASSERT_THAT(lab.Start(), IsOk());
  const Caller owner = lab.As("user/tenant-a");
  v1::LaunchGuestRequest request =
      On(PausedGuest("web", "user/tenant-a"), "lan");

  const absl::Status undeclared = owner.Finish(owner.Launch(request));
  EXPECT_THAT(undeclared, HasReason(reason::kNetworkUnavailable));
  request.mutable_guest()->mutable_spec()->mutable_networks(0)->add_addresses(
      "192.0.2.7");
  request.set_guest_id("db");
  ASSERT_THAT(owner.Finish(owner.Launch(request)), IsOk());
  EXPECT_EQ(Inn(lab, "wait db --for ip"), "192.0.2.7\n");
  request.set_guest_id("copy");
  EXPECT_THAT(owner.Finish(owner.Launch(request)),
              HasReason(reason::kAddressInUse));
}

// Two Linux guests of one owner on one bridge, with an address each.
class NeighboursTest : public testing::TestWithParam<bool> {
 protected:
  // Boots `id` and gives it `address`.
  static std::unique_ptr<Console> Boot(const Caller& owner,
                                       const std::string& id,
                                       const std::string& address) {
    EXPECT_THAT(
        owner.Finish(owner.Launch(On(LinuxGuest(id, "user/tenant-a"), "lan"))),
        IsOk());
    auto console = std::make_unique<Console>(owner, id);
    EXPECT_TRUE(console->Await("guest# ")) << console->output();
    console->Type(absl::StrCat("killall udhcpc; ip address add ", address,
                               "/24 dev eth0; echo addre''ssed"));
    EXPECT_TRUE(console->Await("addressed")) << console->output();
    return console;
  }
};

TEST_P(NeighboursTest, ReachEachOtherOnlyWhereTheNetworkAllows) {
  const bool isolated = GetParam();
  const TestNetwork network;
  EXPECT_EQ(network.Run("ip address add 192.0.2.1/24 dev br0"), "");
  Lab lab;
  ASSERT_THAT(lab.AddTestGuest(), IsOk());
  lab.AddLauncherFlag(network.Flag("lan", isolated ? ":isolated" : ""));
  ASSERT_THAT(lab.Start(), IsOk());
  const Caller owner = lab.As("user/tenant-a");
  const auto first = Boot(owner, "one", "192.0.2.11");
  const auto second = Boot(owner, "two", "192.0.2.12");

  first->Type("ping -c 2 -W 5 192.0.2.12");

  EXPECT_TRUE(
      first->Await(isolated ? " 0 packets received" : " 2 packets received"))
      << first->output();
  // Their network has not failed: the host reaches both.
  for (const char* const address : {"192.0.2.11", "192.0.2.12"}) {
    EXPECT_THAT(network.Run(absl::StrCat("busybox ping -c 1 -W 10 ", address)),
                HasSubstr("1 packets received"));
  }
}

INSTANTIATE_TEST_SUITE_P(Isolation, NeighboursTest, testing::Bool());

TEST(AgentNetworkTest, HostListsItsNetworksAndRefusesOthersByName) {
  const TestNetwork network;
  Lab lab;
  lab.AddLauncherFlag(network.Flag("lan", ":isolated"));
  ASSERT_THAT(lab.Start(), IsOk());
  EXPECT_THAT(Inn(lab, "host show " + lab.name() + " -o json"),
              AllOf(HasSubstr("networks/lan"), HasSubstr("BRIDGE"),
                    HasSubstr("\"isolated\": true")));
  const Caller owner = lab.As("user/tenant-a");
  const absl::Status status = owner.Finish(
      owner.Launch(On(PausedGuest("web", "user/tenant-a"), "wan")));
  EXPECT_THAT(status, HasReason(reason::kNetworkNotFound));
  EXPECT_THAT(std::string(status.message()), HasSubstr("'wan'"));
}

}  // namespace
}  // namespace innkeeper
