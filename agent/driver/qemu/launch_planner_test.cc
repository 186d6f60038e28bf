#include "agent/driver/qemu/launch_planner.h"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/notification.h"
#include "agent/context/context_spec.h"
#include "agent/guest/guest_spec.h"
#include "agent/launch/launch_context.h"
#include "agent/launch/launch_plan.h"
#include "agent/launch/testing/fake_spawner.h"
#include "agent/qmp/testing/await.h"
#include "base/error.h"
#include "base/event_loop.h"
#include "base/executor.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

constexpr int64_t kMiB = 1 << 20;

// The header of an empty qcow2 image of 8 MiB with clusters of 64 KiB, and as
// much behind it as its tables need.
std::string Qcow2Image(const std::string& over = "") {
  std::string image(4 << 16, '\0');
  const auto put = [&](size_t at, uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) {
      image[at + static_cast<size_t>(i)] =
          static_cast<char>(value >> (8 * (bytes - 1 - i)));
    }
  };
  put(0, 0x514649fb, 4);
  put(4, 3, 4);
  put(20, 16, 4);
  put(24, 8 * kMiB, 8);
  put(36, 1, 4);
  put(40, 3 << 16, 8);
  put(48, 1 << 16, 8);
  put(56, 1, 4);
  put(96, 4, 4);
  put(100, 104, 4);
  if (!over.empty()) {
    put(8, 112, 8);
    put(16, over.size(), 4);
    image.replace(112, over.size(), over);
  }
  return image;
}

class LaunchPlannerTest : public testing::Test {
 protected:
  LaunchPlannerTest() {
    parts_.qemu_binary = "/usr/bin/qemu-system-x86_64";
    parts_.machine_types = {"pc-q35-7.2", "pc-q35-6.0", "microvm"};
    parts_.kvm_reason = "there is no /dev/kvm";
    record_.id = "web";
    record_.uid = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
    record_.owner = "user/ada";
    record_.spec_digest = "d1";
    record_.spec.vcpu_count = 3;
    record_.spec.memory_bytes = 64 * kMiB;
  }

  absl::StatusOr<PlannedLaunch> Plan() {
    LaunchPlanner planner(parts_);
    return Await<absl::StatusOr<PlannedLaunch>>(
        &loop_, [&](Completion<PlannedLaunch> done) {
          planner.Plan(record_, std::move(done));
        });
  }
  void AddDisk(const std::string& volume, DiskFormat format, DiskMode mode) {
    record_.spec.disks.push_back({{"main", volume}, format, mode, ""});
  }

  EventLoop loop_{"planner"};
  FakeSpawner spawner_{&loop_};
  Executor executor_{"images", 1, 16};
  LaunchPlanner::Parts parts_{&loop_, &executor_, &spawner_, "",
                              {},     false,      "",        {}};
  GuestRecord record_;
};

TEST_F(LaunchPlannerTest, PlanCarriesTheRecordAndItsLimits) {
  const auto planned = Plan();

  ASSERT_THAT(planned, IsOk());
  const LaunchPlan& plan = planned->plan;
  EXPECT_THAT(ValidatePlan(plan), IsOk());
  EXPECT_EQ(plan.guest, "web");
  EXPECT_EQ(plan.uid, record_.uid);
  EXPECT_EQ(plan.owner, "user/ada");
  EXPECT_EQ(plan.spec_digest, "d1");
  EXPECT_EQ(plan.ram_bytes, 64 * kMiB);
  EXPECT_EQ(plan.limits.memory_bytes,
            64 * kMiB + LaunchPlanner::kOverheadBytes);
  EXPECT_EQ(plan.limits.cpu_millis, 3000);
  EXPECT_EQ(plan.limits.pids, 3 + LaunchPlanner::kExtraPids);
  EXPECT_EQ(plan.argv[0], "/usr/bin/qemu-system-x86_64");
  EXPECT_FALSE(plan.kvm);
}

TEST_F(LaunchPlannerTest, PlanCarriesTheContextAndItsLimits) {
  ContextSpec& context = record_.spec.effective_context;
  context.nice = 5;
  context.seccomp_classes = {SeccompClass::kSpawn};
  context.cgroup.cpu_millis = 250;
  context.cgroup.memory_overhead_bytes = 100 * kMiB;
  context.cgroup.pid_count = 40;

  const auto planned = Plan();

  ASSERT_THAT(planned, IsOk());
  const LaunchPlan& plan = planned->plan;
  EXPECT_TRUE(plan.context == ToLaunchContext(context));
  EXPECT_EQ(plan.limits.memory_bytes, 164 * kMiB);
  EXPECT_EQ(plan.limits.cpu_millis, 250);
  EXPECT_EQ(plan.limits.pids, 40);
  EXPECT_THAT(plan.argv,
              testing::Contains("on,obsolete=deny,elevateprivileges=deny,"
                                "spawn=allow,resourcecontrol=deny"));
}

TEST_F(LaunchPlannerTest, FirmwareThatTheHostLacksIsRefusedByName) {
  record_.spec.memory_bytes = 256 * kMiB;
  record_.spec.firmware = Firmware::kUefiSecureBoot;
  parts_.features = {"uefi"};

  EXPECT_THAT(Plan(), HasReason(reason::kFirmwareUnavailable));

  parts_.features = {"uefi", "uefi-secure-boot"};
  const auto planned = Plan();
  ASSERT_THAT(planned, IsOk());
  EXPECT_THAT(ValidatePlan(planned->plan), IsOk());
  EXPECT_EQ(planned->plan.firmware, PlannedFirmware::kUefiSecureBoot);
  std::vector<std::string> descriptions;
  for (const PlannedFd& fd : planned->plan.fds) {
    descriptions.push_back(DescribeFd(planned->plan, fd));
  }
  EXPECT_THAT(descriptions, testing::IsSupersetOf(
                                {"firmware (read-only)", "UEFI variables"}));
}

TEST_F(LaunchPlannerTest, AccelerationThatIsLeftToTheHostIsTheBestThatWorks) {
  auto planned = Plan();
  ASSERT_THAT(planned, IsOk());
  EXPECT_EQ(planned->accel, Accel::kTcg);
  EXPECT_THAT(planned->accel_reason, HasSubstr("there is no /dev/kvm"));

  parts_.kvm = true;
  planned = Plan();

  ASSERT_THAT(planned, IsOk());
  EXPECT_EQ(planned->accel, Accel::kKvm);
  EXPECT_TRUE(planned->plan.kvm);
}

TEST_F(LaunchPlannerTest, KvmThatDoesNotWorkIsRefusedWithWhatTheProofSaw) {
  record_.spec.accel = Accel::kKvm;

  const auto planned = Plan();

  EXPECT_THAT(planned, StatusIs(absl::StatusCode::kFailedPrecondition,
                                HasSubstr("there is no /dev/kvm")));
  EXPECT_THAT(planned, HasReason(reason::kAccelerationUnavailable));
}

TEST_F(LaunchPlannerTest, NetworksThatTheHostLacksAreNamedAllAtOnce) {
  parts_.networks = {{"lan", false}, {"dmz", true}};
  record_.spec.networks.resize(3);
  record_.spec.networks[0].network = "lan";
  record_.spec.networks[1].network = "wan";
  record_.spec.networks[2].network = "dmz";

  const auto planned = Plan();

  EXPECT_THAT(planned,
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("no network 'wan'"),
                             HasSubstr("'dmz' takes only guests whose"))));
  EXPECT_THAT(planned, HasReason(reason::kNetworkNotFound));
  EXPECT_THAT(DetailsOf(planned.status()).preconditions, SizeIs(2));
}

TEST_F(LaunchPlannerTest, TapsAreInThePlanAndDescribed) {
  parts_.networks = {{"lan", true}};
  record_.spec.networks.resize(1);
  record_.spec.networks[0].network = "lan";
  record_.spec.networks[0].queue_count = 2;
  record_.spec.networks[0].addresses = {"192.0.2.7"};

  const auto planned = Plan();

  ASSERT_THAT(planned, IsOk());
  EXPECT_THAT(ValidatePlan(planned->plan), IsOk());
  EXPECT_THAT(planned->plan.taps, SizeIs(1));
  EXPECT_EQ(DescribeFd(planned->plan, planned->plan.fds.back()),
            "networks/lan, 52:54:e8:2c:33:01, queue 1");
}

TEST_F(LaunchPlannerTest, EmulationIsGivenToWhoAsksForItThoughKvmWorks) {
  parts_.kvm = true;
  record_.spec.accel = Accel::kTcg;

  const auto planned = Plan();

  ASSERT_THAT(planned, IsOk());
  EXPECT_EQ(planned->accel, Accel::kTcg);
  EXPECT_FALSE(planned->plan.kvm);
}

TEST_F(LaunchPlannerTest, GuestKeepsTheMachineThatItWasLaunchedWith) {
  auto planned = Plan();
  ASSERT_THAT(planned, IsOk());
  EXPECT_EQ(planned->machine_type, "pc-q35-7.2");

  record_.resolved_machine_type = "pc-q35-6.0";
  planned = Plan();

  ASSERT_THAT(planned, IsOk());
  EXPECT_EQ(planned->machine_type, "pc-q35-6.0");
}

TEST_F(LaunchPlannerTest, DisksGetOverlaysOfTheirSizeAndBoundsOfTheirOwn) {
  spawner_.AddImage("main", "raw", std::string(2 * kMiB, '\0'));
  spawner_.AddImage("main", "tools", std::string(kMiB, '\0'));
  spawner_.AddImage("main", "qcow2", Qcow2Image());
  spawner_.AddImage("main", "base", Qcow2Image());
  AddDisk("raw", DiskFormat::kRaw, DiskMode::kReadWrite);
  AddDisk("qcow2", DiskFormat::kQcow2, DiskMode::kReadWrite);
  AddDisk("base", DiskFormat::kQcow2, DiskMode::kEphemeral);
  AddDisk("tools", DiskFormat::kRaw, DiskMode::kReadOnly);

  const auto planned = Plan();

  ASSERT_THAT(planned, IsOk());
  const LaunchPlan& plan = planned->plan;
  EXPECT_THAT(ValidatePlan(plan), IsOk());
  ASSERT_THAT(plan.images, SizeIs(4));
  EXPECT_EQ(plan.images[0].max_bytes, 2 * kMiB);
  // All of its 8 MiB beside what it has already, and tables.
  EXPECT_GT(plan.images[1].max_bytes, 8 * kMiB + (4 << 16));
  EXPECT_LT(plan.images[1].max_bytes, 11 * kMiB);
  EXPECT_FALSE(plan.images[2].writable);
  EXPECT_EQ(plan.images[2].max_bytes, 0);
  EXPECT_EQ(plan.images[3].max_bytes, 0);
  ASSERT_THAT(plan.overlays, SizeIs(1));
  EXPECT_EQ(plan.overlays[0].virtual_bytes, 8 * kMiB);
}

TEST_F(LaunchPlannerTest, LayersAreLookedIntoAndTheSizeIsTheTops) {
  spawner_.AddImage("main", "top", Qcow2Image("/elsewhere/mid"));
  spawner_.AddImage("main", "mid", Qcow2Image("base"));
  spawner_.AddImage("main", "base", std::string(2 * kMiB, '\0'));
  AddDisk("top", DiskFormat::kQcow2, DiskMode::kEphemeral);
  record_.spec.disks[0].backing = {{{"main", "mid"}, DiskFormat::kQcow2},
                                   {{"main", "base"}, DiskFormat::kRaw}};

  const auto planned = Plan();

  ASSERT_THAT(planned, IsOk());
  EXPECT_THAT(ValidatePlan(planned->plan), IsOk());
  ASSERT_THAT(planned->plan.images, SizeIs(3));
  for (const PlannedImage& image : planned->plan.images) {
    EXPECT_FALSE(image.writable) << image.name;
  }
  ASSERT_THAT(planned->plan.overlays, SizeIs(1));
  EXPECT_EQ(planned->plan.overlays[0].virtual_bytes, 8 * kMiB);
}

TEST_F(LaunchPlannerTest, EachLayerIsHeldToTheOneBeneathIt) {
  spawner_.AddImage("main", "top", Qcow2Image("other"));
  spawner_.AddImage("main", "mid", Qcow2Image("nbd://host/base"));
  spawner_.AddImage("main", "base", Qcow2Image("/etc/shadow"));
  AddDisk("top", DiskFormat::kQcow2, DiskMode::kReadWrite);
  record_.spec.disks[0].backing = {{{"main", "mid"}, DiskFormat::kQcow2},
                                   {{"main", "base"}, DiskFormat::kQcow2},
                                   {{"main", "absent"}, DiskFormat::kRaw}};

  const auto planned = Plan();

  EXPECT_THAT(planned,
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("pools/main/volumes/top cannot"),
                             HasSubstr("pools/main/volumes/mid cannot"),
                             HasSubstr("pools/main/volumes/base cannot"),
                             HasSubstr("'absent'"))));
  EXPECT_THAT(DetailsOf(planned.status()).preconditions, SizeIs(4));
}

TEST_F(LaunchPlannerTest, EveryFaultIsNamedAtOnce) {
  spawner_.AddImage("main", "text", "not an image");
  record_.spec.machine_type = "pc-q35-99.0";
  record_.spec.accel = Accel::kKvm;
  AddDisk("absent", DiskFormat::kRaw, DiskMode::kReadWrite);
  AddDisk("text", DiskFormat::kQcow2, DiskMode::kReadOnly);
  record_.spec.kernel = VolumeName{"main", "vmlinuz"};

  const auto planned = Plan();

  EXPECT_THAT(planned, StatusIs(absl::StatusCode::kFailedPrecondition,
                                AllOf(HasSubstr("pc-q35-99.0"),
                                      HasSubstr("KVM"), HasSubstr("'absent'"),
                                      HasSubstr("pools/main/volumes/text"),
                                      HasSubstr("'vmlinuz'"))));
  std::vector<std::string> reasons;
  for (const PreconditionViolation& violation :
       DetailsOf(planned.status()).preconditions) {
    EXPECT_EQ(violation.subject, "guests/web");
    reasons.push_back(violation.type);
  }
  EXPECT_THAT(
      reasons,
      ElementsAre(reason::kMachineTypeUnsupported,
                  reason::kAccelerationUnavailable, reason::kVolumeNotFound,
                  reason::kImageUnsupported, reason::kVolumeNotFound));
}

TEST_F(LaunchPlannerTest, LauncherThatIsGoneIsNoFaultOfTheVolume) {
  AddDisk("raw", DiskFormat::kRaw, DiskMode::kReadWrite);
  spawner_.Disconnect();

  const auto planned = Plan();

  EXPECT_THAT(planned, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(planned, HasReason(reason::kLauncherUnavailable));
}

TEST_F(LaunchPlannerTest, LauncherThatDoesNotAnswerIsNoFaultOfTheVolume) {
  AddDisk("raw", DiskFormat::kRaw, DiskMode::kReadWrite);
  spawner_.FailNext(FakeSpawner::Call::kOpenImage,
                    Error(absl::StatusCode::kDeadlineExceeded,
                          reason::kDeadlineExceeded, "no answer")
                        .Build());

  EXPECT_THAT(Plan(), StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST_F(LaunchPlannerTest, NobodyFreeToReadAnImageIsSaid) {
  spawner_.AddImage("main", "raw", std::string(2 * kMiB, '\0'));
  AddDisk("raw", DiskFormat::kRaw, DiskMode::kReadWrite);
  Executor busy("busy", 1, 1);
  parts_.executor = &busy;
  absl::Notification begun;
  absl::Notification end;
  ASSERT_THAT(busy.Submit([&] {
    begun.Notify();
    end.WaitForNotification();
  }),
              IsOk());
  begun.WaitForNotification();
  ASSERT_THAT(busy.Submit([] {}), IsOk());

  const auto planned = Plan();
  end.Notify();

  EXPECT_THAT(planned, StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(planned, HasReason(reason::kTooManyRequests));
}

TEST_F(LaunchPlannerTest, DescriptorsAreDescribedForPeople) {
  LaunchPlan plan;
  plan.images = {{"main", "data", true, 512}, {"main", "tools", false}};

  const auto describe = [&](FdKind kind, int index) {
    return DescribeFd(plan, {3, kind, index});
  };

  EXPECT_EQ(describe(FdKind::kConsole, 0), "serial console");
  EXPECT_EQ(describe(FdKind::kQmp, 0), "monitor");
  EXPECT_EQ(describe(FdKind::kBreakGlass, 0), "second monitor");
  EXPECT_EQ(describe(FdKind::kRam, 0), "memory");
  EXPECT_EQ(describe(FdKind::kOverlay, 0), "overlay");
  EXPECT_EQ(describe(FdKind::kImage, 0),
            "pools/main/volumes/data (read-write)");
  EXPECT_EQ(describe(FdKind::kImage, 1),
            "pools/main/volumes/tools (read-only)");
}

}  // namespace
}  // namespace innkeeper
