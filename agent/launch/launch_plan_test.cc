#include "agent/launch/launch_plan.h"

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using testing::HasSubstr;

LaunchPlan GoodPlan() {
  LaunchPlan plan;
  plan.guest = "web-1";
  plan.uid = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
  plan.owner = "user/ada";
  plan.spec_digest = "sha256:00";
  plan.argv = {"/usr/bin/qemu-system-x86_64", "-M", "none"};
  plan.images = {{"disks", "web/root.qcow2", true, 1 << 30},
                 {"disks", "b", false}};
  plan.overlays = {{int64_t{1} << 30}};
  plan.taps = {{"lan", {2, 0, 0, 0, 0, 1}, 2, {"\n\1\2\3"}}};
  plan.ram_bytes = 1 << 20;
  plan.fds = {{3, FdKind::kConsole, 0},
              {4, FdKind::kQmp, 0},
              {5, FdKind::kBreakGlass, 0},
              {6, FdKind::kRam, 0},
              {7, FdKind::kImage, 0},
              {8, FdKind::kImage, 1},
              {9, FdKind::kTapQueue, 0},
              {10, FdKind::kTapQueue, 1},
              {63, FdKind::kOverlay, 0},
              {20, FdKind::kFirmwareCode, 0},
              {21, FdKind::kFirmwareVariables, 0}};
  plan.limits = {64 << 20, 1000, 64};
  plan.firmware = PlannedFirmware::kUefiSecureBoot;
  return plan;
}

TEST(LaunchPlanTest, PlanWithinEveryBoundIsAccepted) {
  EXPECT_THAT(ValidatePlan(GoodPlan()), IsOk());
}

struct Fault {
  const char* name;
  std::function<void(LaunchPlan&)> make;
  const char* message;
};

class LaunchPlanFaultTest : public testing::TestWithParam<Fault> {};

TEST_P(LaunchPlanFaultTest, IsRefusedByName) {
  LaunchPlan plan = GoodPlan();
  GetParam().make(plan);

  const absl::Status status = ValidatePlan(plan);

  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                               HasSubstr(GetParam().message)));
  EXPECT_THAT(status, HasReason(reason::kInvalidRequest));
}

INSTANTIATE_TEST_SUITE_P(
    All, LaunchPlanFaultTest,
    testing::Values(
        Fault{"EmptyGuest", [](LaunchPlan& p) { p.guest = ""; }, "guest"},
        Fault{"DotDotGuest", [](LaunchPlan& p) { p.guest = ".."; }, "guest"},
        Fault{"SlashInGuest", [](LaunchPlan& p) { p.guest = "a/b"; }, "guest"},
        Fault{"LongGuest",
              [](LaunchPlan& p) { p.guest = std::string(64, 'a'); }, "guest"},
        Fault{"NotAUuid", [](LaunchPlan& p) { p.uid = "7"; }, "uid"},
        Fault{"LongOwner",
              [](LaunchPlan& p) { p.owner = std::string(257, 'a'); }, "owner"},
        Fault{"NulInDigest",
              [](LaunchPlan& p) { p.spec_digest = std::string(1, '\0'); },
              "spec_digest"},
        Fault{"LongManifest",
              [](LaunchPlan& p) {
                p.manifest = std::string(kMaxManifestBytes + 1, 'm');
              },
              "manifest"},
        Fault{"NoArguments", [](LaunchPlan& p) { p.argv.clear(); }, "argv"},
        Fault{"ManyArguments",
              [](LaunchPlan& p) { p.argv.resize(kMaxArguments + 1); }, "argv"},
        Fault{"LongArguments",
              [](LaunchPlan& p) {
                p.argv.push_back(std::string(kMaxArgumentBytes, 'x'));
              },
              "argv"},
        Fault{"NulInArgument",
              [](LaunchPlan& p) { p.argv.push_back(std::string("a\0b", 3)); },
              "argv"},
        Fault{"TextTooLongForOneMessage",
              [](LaunchPlan& p) {
                p.manifest = std::string(kMaxManifestBytes, 'm');
                p.argv.push_back(std::string(kMaxArgumentBytes - 1000, 'x'));
              },
              "together"},
        Fault{"ManyImages",
              [](LaunchPlan& p) { p.images.resize(kMaxImages + 1); }, "images"},
        Fault{"PoolPath", [](LaunchPlan& p) { p.images[0].pool = "../etc"; },
              "pool"},
        Fault{"AbsoluteImage",
              [](LaunchPlan& p) { p.images[0].name = "/etc/shadow"; },
              "images.name"},
        Fault{"ImageAboveThePool",
              [](LaunchPlan& p) { p.images[0].name = "a/../../b"; },
              "images.name"},
        Fault{"NulInImage",
              [](LaunchPlan& p) { p.images[0].name = std::string("a\0", 2); },
              "images.name"},
        Fault{"WritableImageWithoutABound",
              [](LaunchPlan& p) { p.images[0].max_bytes = 0; },
              "images.max_bytes"},
        Fault{"HugeImage",
              [](LaunchPlan& p) { p.images[0].max_bytes = kMaxImageBytes + 1; },
              "images.max_bytes"},
        Fault{"BoundOfAReadOnlyImage",
              [](LaunchPlan& p) { p.images[1].max_bytes = 1; },
              "images.max_bytes"},
        Fault{"ManyOverlays",
              [](LaunchPlan& p) { p.overlays.resize(kMaxOverlays + 1); },
              "overlays"},
        Fault{"OddOverlay",
              [](LaunchPlan& p) { p.overlays[0].virtual_bytes = 513; },
              "virtual_bytes"},
        Fault{"NegativeOverlay",
              [](LaunchPlan& p) { p.overlays[0].virtual_bytes = -512; },
              "virtual_bytes"},
        Fault{"ManyTaps",
              [](LaunchPlan& p) { p.taps.resize(kMaxTaps + 1, p.taps[0]); },
              "taps are more"},
        Fault{"NetworkPath", [](LaunchPlan& p) { p.taps[0].network = "../x"; },
              "taps.network"},
        Fault{"MacOfAGroup", [](LaunchPlan& p) { p.taps[0].mac = {1}; },
              "taps.mac"},
        Fault{"NoQueue", [](LaunchPlan& p) { p.taps[0].queue_count = 0; },
              "taps.queue_count must be"},
        Fault{"ManyQueues", [](LaunchPlan& p) { p.taps[0].queue_count = 9; },
              "taps.queue_count must be"},
        Fault{"ManyQueuesTogether",
              [](LaunchPlan& p) {
                p.taps[0].queue_count = 8;
                p.taps.resize(3, p.taps[0]);
              },
              "taps.queue_count are together"},
        Fault{"ManyAddresses",
              [](LaunchPlan& p) { p.taps[0].addresses.resize(9, "\n\1\2\3"); },
              "taps.addresses are more"},
        Fault{"AddressOfAGroup",
              [](LaunchPlan& p) { p.taps[0].addresses = {"\xe0\1\2\3"}; },
              "taps.addresses must"},
        Fault{"OddAddress",
              [](LaunchPlan& p) { p.taps[0].addresses = {"12345"}; },
              "taps.addresses must"},
        Fault{"QueueBeyondTaps", [](LaunchPlan& p) { p.fds[7].index = 2; },
              "fds.index"},
        Fault{"StandardDescriptor", [](LaunchPlan& p) { p.fds[0].number = 2; },
              "fds.number"},
        Fault{"HighDescriptor", [](LaunchPlan& p) { p.fds[0].number = 64; },
              "fds.number"},
        Fault{"NumberTwice", [](LaunchPlan& p) { p.fds[0].number = 4; },
              "used twice"},
        Fault{"ThingTwice",
              [](LaunchPlan& p) {
                p.fds.push_back({11, FdKind::kImage, 0});
              },
              "one thing twice"},
        Fault{"UnknownKind",
              [](LaunchPlan& p) { p.fds[0].kind = static_cast<FdKind>(99); },
              "fds.kind"},
        Fault{"IndexBeyondImages", [](LaunchPlan& p) { p.fds[4].index = 2; },
              "fds.index"},
        Fault{"NegativeIndex", [](LaunchPlan& p) { p.fds[4].index = -1; },
              "fds.index"},
        Fault{"RamWithoutSize", [](LaunchPlan& p) { p.ram_bytes = 0; },
              "ram_bytes"},
        Fault{"OddRam", [](LaunchPlan& p) { p.ram_bytes = 4097; }, "ram_bytes"},
        Fault{"ManyFds",
              [](LaunchPlan& p) { p.fds.resize(kMaxPlannedFds + 1); }, "fds"},
        Fault{
            "UnknownFirmware",
            [](LaunchPlan& p) { p.firmware = static_cast<PlannedFirmware>(9); },
            "firmware"},
        Fault{"FirmwareThatIsNotWanted",
              [](LaunchPlan& p) { p.firmware = PlannedFirmware::kNone; },
              "firmware"},
        Fault{"FirmwareWithoutVariables",
              [](LaunchPlan& p) { p.fds.pop_back(); }, "firmware"},
        Fault{"NoMemory", [](LaunchPlan& p) { p.limits.memory_bytes = 0; },
              "memory_bytes"},
        Fault{"NegativeCpu", [](LaunchPlan& p) { p.limits.cpu_millis = -1; },
              "cpu_millis"},
        Fault{"NoPids", [](LaunchPlan& p) { p.limits.pids = 0; }, "pids"}),
    [](const testing::TestParamInfo<Fault>& info) { return info.param.name; });

TEST(LaunchPlanTest, GuestIdsFollowTheGrammar) {
  EXPECT_TRUE(IsGuestId("a"));
  EXPECT_TRUE(IsGuestId("a-1"));
  EXPECT_TRUE(IsGuestId(std::string(63, 'a')));
  for (const absl::string_view bad :
       {"", "1a", "-a", "a-", "A", "a_b", "a.b"}) {
    EXPECT_FALSE(IsGuestId(bad)) << bad;
  }
}

}  // namespace
}  // namespace innkeeper
