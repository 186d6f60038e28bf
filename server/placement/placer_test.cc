#include "server/placement/placer.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Optional;

constexpr int64_t kGiB = int64_t{1} << 30;

HostView Host(const std::string& name) {
  HostView host;
  host.name = name;
  host.up = true;
  host.total = {8 * kGiB, 8};
  host.kvm = true;
  host.machine_types = {"pc-q35-7.2"};
  return host;
}

PlacementRequest Request() {
  PlacementRequest request;
  request.needs = {2 * kGiB, 2};
  return request;
}

std::vector<std::string> TextsOf(const HostVerdict& verdict) {
  std::vector<std::string> texts;
  for (const Loss& loss : verdict.losses) texts.push_back(loss.text);
  return texts;
}

TEST(PlacerTest, MostFreeHostWins) {
  HostView busy = Host("a");
  busy.used = {4 * kGiB, 4};
  HostView idle = Host("b");

  const Placement placement = Place(Request(), {busy, idle});

  EXPECT_THAT(placement.host, Optional(std::string("b")));
  ASSERT_EQ(placement.verdicts.size(), 2u);
  EXPECT_DOUBLE_EQ(placement.verdicts[0].score, 0.25);
  EXPECT_DOUBLE_EQ(placement.verdicts[1].score, 0.75);
  EXPECT_DOUBLE_EQ(placement.verdicts[1].free_memory_share, 0.75);
  EXPECT_DOUBLE_EQ(placement.verdicts[1].free_vcpu_share, 0.75);
}

TEST(PlacerTest, TieGoesToTheFirstNameInAnyOrderOfViews) {
  std::vector<HostView> hosts = {Host("a"), Host("b"), Host("c")};
  std::sort(
      hosts.begin(), hosts.end(),
      [](const HostView& a, const HostView& b) { return a.name < b.name; });
  do {
    EXPECT_THAT(Place(Request(), hosts).host, Optional(std::string("a")));
  } while (std::next_permutation(
      hosts.begin(), hosts.end(),
      [](const HostView& a, const HostView& b) { return a.name < b.name; }));
}

TEST(PlacerTest, EveryReasonOfALossIsToldWithItsNumbers) {
  HostView host = Host("a");
  host.up = false;
  host.reason_down = "no contact for 30s";
  host.cordoned = true;
  host.kvm = false;
  host.labels = {{"disk", "slow"}};
  host.used = {7 * kGiB, 7};
  PlacementRequest request = Request();
  request.needs = {4 * kGiB, 4};
  request.needs_kvm = true;
  request.machine_type = "pc-q35-9.0";
  request.volumes = {"images/debian", "images/web"};
  request.networks = {"lan", "wan"};
  host.networks = {"lan"};
  request.features = {"uefi", "tpm2"};
  host.features = {"tpm2"};
  request.host = "b";
  request.labels = {{"disk", "fast"}, {"rack", "1"}};
  request.context = "build";
  request.context_hosts = {"b"};
  host.volumes = {"images/debian"};

  const Placement placement = Place(request, {host});

  EXPECT_EQ(placement.host, std::nullopt);
  EXPECT_THAT(
      TextsOf(placement.verdicts[0]),
      ElementsAre("down: no contact for 30s", "cordoned: takes no new guests",
                  "host: asked for b", "label: asked disk=fast, has disk=slow",
                  "label: asked rack=1, has none",
                  "acceleration: asked KVM, has none",
                  "machine type: asked pc-q35-9.0, has pc-q35-7.2",
                  "firmware: lacks uefi", "volume: lacks images/web",
                  "network: lacks wan", "context: lacks build",
                  "memory: asked 4 GiB, free 1 GiB of 8 GiB",
                  "vcpus: asked 4, free 1 of 8"));
}

TEST(PlacerTest, GuestThatFillsAHostExactlyFits) {
  PlacementRequest request = Request();
  request.needs = {8 * kGiB, 8};

  EXPECT_THAT(Place(request, {Host("a")}).host, Optional(std::string("a")));
  request.needs.memory_bytes += 1;
  EXPECT_EQ(Place(request, {Host("a")}).host, std::nullopt);
}

TEST(PlacerTest, OverfullHostHasNothingFree) {
  HostView host = Host("a");
  host.used = {9 * kGiB, 0};

  EXPECT_THAT(TextsOf(Place(Request(), {host}).verdicts[0]),
              ElementsAre("memory: asked 2 GiB, free 0 MiB of 8 GiB"));
}

TEST(PlacerTest, AgentsOfOneMachineShareItsCapacity) {
  HostView first = Host("a");
  first.machine_id = "m";
  first.used = {4 * kGiB, 1};
  HostView second = Host("b");
  second.machine_id = "m";
  second.used = {3 * kGiB, 1};

  const Placement placement = Place(Request(), {first, second});

  EXPECT_EQ(placement.host, std::nullopt);
  EXPECT_THAT(TextsOf(placement.verdicts[1]),
              ElementsAre("memory: asked 2 GiB, free 1 GiB of 8 GiB"));
}

TEST(PlacerTest, AgentsThatSplitAMachineMayFillItTogether) {
  HostView first = Host("a");
  first.machine_id = "m";
  first.machine_total = {16 * kGiB, 16};
  first.used = {8 * kGiB, 8};
  HostView second = Host("b");
  second.machine_id = "m";
  second.machine_total = {16 * kGiB, 16};

  const Placement placement = Place(Request(), {first, second});

  EXPECT_THAT(placement.host, Optional(std::string("b")));
  EXPECT_THAT(TextsOf(placement.verdicts[0]),
              ElementsAre("memory: asked 2 GiB, free 0 MiB of 8 GiB",
                          "vcpus: asked 2, free 0 of 8"));
}

TEST(PlacerTest, HostsWithoutMachineIdShareNothing) {
  HostView full = Host("a");
  full.used = {8 * kGiB, 8};

  EXPECT_THAT(Place(Request(), {full, Host("b")}).host,
              Optional(std::string("b")));
}

TEST(PlacerTest, WhatIsAskedAndThereIsNoLoss) {
  HostView host = Host("a");
  host.labels = {{"disk", "fast"}};
  host.volumes = {"images/debian"};
  PlacementRequest request = Request();
  request.needs_kvm = true;
  request.machine_type = "pc-q35-7.2";
  request.volumes = {"images/debian"};
  request.host = "a";
  request.labels = {{"disk", "fast"}};

  const Placement placement = Place(request, {host});

  EXPECT_THAT(placement.host, Optional(std::string("a")));
  EXPECT_THAT(placement.verdicts[0].losses, IsEmpty());
}

TEST(PlacerTest, AnyVersionOfTheMachineTypeWillDo) {
  HostView old = Host("a");
  old.machine_types = {"pc-q35-6.2", "q35-like", "microvm"};
  HostView none = Host("b");
  none.machine_types = {"pc-i440fx-7.2", "microvm"};
  PlacementRequest request = Request();
  request.machine_type = "q35";

  const Placement placement = Place(request, {old, none});

  EXPECT_THAT(placement.host, Optional(std::string("a")));
  EXPECT_THAT(TextsOf(placement.verdicts[1]),
              ElementsAre("machine type: asked q35, has pc-i440fx-7.2, "
                          "microvm"));
}

TEST(PlacerTest, HostWithoutMicrovmLosesAGuestThatAsksForIt) {
  HostView host = Host("a");
  host.machine_types.clear();
  for (int i = 0; i < 10; ++i) {
    host.machine_types.push_back(absl::StrCat("pc-q35-7.", i));
  }
  PlacementRequest request = Request();
  request.machine_type = "microvm";

  const Placement placement = Place(request, {host});

  EXPECT_THAT(
      TextsOf(placement.verdicts[0]),
      ElementsAre("machine type: asked microvm, has pc-q35-7.0, pc-q35-7.1, "
                  "pc-q35-7.2, pc-q35-7.3, pc-q35-7.4, pc-q35-7.5, "
                  "pc-q35-7.6, pc-q35-7.7 and 2 more"));
  EXPECT_THAT(NoHostFits(request, placement),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(DetailsOf(NoHostFits(request, placement)).preconditions[0].type,
            reason::kMachineTypeUnsupported);
}

TEST(NoHostFitsTest, LackOfRoomNamesEveryHostsNumbers) {
  HostView small = Host("a");
  small.used = {7 * kGiB, 0};
  HostView down = Host("b");
  down.up = false;

  const absl::Status status =
      NoHostFits(Request(), Place(Request(), {small, down}));

  EXPECT_THAT(
      status,
      StatusIs(absl::StatusCode::kResourceExhausted,
               AllOf(HasSubstr("a: memory: asked 2 GiB, free 1 GiB of 8 GiB"),
                     HasSubstr("b: down: not in contact"))));
  EXPECT_THAT(status, HasReason(reason::kCapacityExhausted));
  EXPECT_EQ(DetailsOf(status).metadata.at("host.a"),
            "memory: asked 2 GiB, free 1 GiB of 8 GiB");
}

TEST(NoHostFitsTest, LackOfAnythingElseIsAPreconditionWithEachViolation) {
  HostView cordoned = Host("a");
  cordoned.cordoned = true;
  cordoned.used = {7 * kGiB, 0};

  const absl::Status status =
      NoHostFits(Request(), Place(Request(), {cordoned}));

  EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(status, HasReason(reason::kNoHostFits));
  const ErrorDetails details = DetailsOf(status);
  ASSERT_EQ(details.preconditions.size(), 2u);
  EXPECT_EQ(details.preconditions[0].type, reason::kHostCordoned);
  EXPECT_EQ(details.preconditions[0].subject, "hosts/a");
  EXPECT_EQ(details.preconditions[1].type, reason::kCapacityExhausted);
}

TEST(NoHostFitsTest, HostAskedForByNameIsTheOnlyOneTold) {
  PlacementRequest request = Request();
  request.host = "a";
  HostView full = Host("a");
  full.used = full.total;

  EXPECT_THAT(NoHostFits(request, Place(request, {full, Host("b")})),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       testing::Not(HasSubstr("b:"))));
}

TEST(NoHostFitsTest, UnknownHostIsNotFound) {
  PlacementRequest request = Request();
  request.host = "nope";

  const absl::Status status = NoHostFits(request, Place(request, {Host("a")}));

  EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound, HasSubstr("nope")));
  EXPECT_THAT(status, HasReason(reason::kHostNotFound));
}

TEST(NoHostFitsTest, EmptyClusterSaysSo) {
  EXPECT_THAT(NoHostFits(Request(), Place(Request(), {})),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("no host is enrolled")));
}

}  // namespace
}  // namespace innkeeper
