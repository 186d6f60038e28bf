#include "agent/service/convert.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "agent/supervisor/guest_event.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "innkeeper/v1/guests.pb.h"

namespace innkeeper {
namespace {

using google::protobuf::util::MessageDifferencer;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

constexpr char kUid[] = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";

v1::LaunchGuestRequest GoodLaunch() {
  v1::LaunchGuestRequest request;
  request.set_guest_id("web");
  v1::Guest& guest = *request.mutable_guest();
  guest.set_owner("user/alice");
  (*guest.mutable_labels())["tier"] = "front";
  v1::GuestSpec& spec = *guest.mutable_spec();
  spec.set_machine(v1::GuestSpec::MICROVM);
  spec.set_acceleration(v1::GuestSpec::TCG);
  spec.set_vcpu_count(2);
  spec.set_memory_bytes(int64_t{256} << 20);
  v1::GuestSpec::Disk& root = *spec.add_disks();
  root.set_volume("pools/main/volumes/root");
  root.set_format(v1::GuestSpec::Disk::QCOW2);
  root.set_mode(v1::GuestSpec::Disk::EPHEMERAL);
  v1::GuestSpec::Disk& data = *spec.add_disks();
  data.set_volume("pools/main/volumes/data");
  data.set_format(v1::GuestSpec::Disk::RAW);
  data.set_mode(v1::GuestSpec::Disk::READ_ONLY);
  spec.set_kernel("pools/main/volumes/vmlinuz");
  spec.set_initrd("pools/main/volumes/initrd");
  spec.set_kernel_command_line("console=ttyS0");
  spec.set_start_paused(true);
  return request;
}

std::vector<std::string> FaultsOf(const v1::LaunchGuestRequest& request) {
  const absl::Status status = ParseLaunch(request, kUid, "user/alice").status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(status, HasReason(reason::kInvalidRequest));
  std::vector<std::string> fields;
  for (const FieldViolation& fault : DetailsOf(status).fields) {
    fields.push_back(fault.field);
  }
  return fields;
}

TEST(ConvertTest, SpecComesBackAsItWasAskedFor) {
  const v1::LaunchGuestRequest request = GoodLaunch();

  const absl::StatusOr<GuestRecord> record =
      ParseLaunch(request, kUid, "user/nobody");

  ASSERT_THAT(record, IsOk());
  EXPECT_EQ(record->id, "web");
  EXPECT_EQ(record->uid, kUid);
  EXPECT_EQ(record->owner, "user/alice");
  const v1::Guest shown = ToGuest(*record, "hosts/h1", false, "");
  EXPECT_TRUE(MessageDifferencer::Equals(shown.spec(), request.guest().spec()))
      << shown.spec().DebugString();
  EXPECT_EQ(shown.labels().at("tier"), "front");
}

TEST(ConvertTest, EveryDiskModeSurvivesTheWayThereAndBack) {
  for (const auto mode :
       {v1::GuestSpec::Disk::READ_ONLY, v1::GuestSpec::Disk::READ_WRITE,
        v1::GuestSpec::Disk::EPHEMERAL}) {
    v1::LaunchGuestRequest request = GoodLaunch();
    request.mutable_guest()->mutable_spec()->mutable_disks(0)->set_mode(mode);
    const absl::StatusOr<GuestRecord> record = ParseLaunch(request, kUid, "");
    ASSERT_THAT(record, IsOk());
    EXPECT_EQ(ToGuest(*record, "", false, "").spec().disks(0).mode(), mode);
  }
}

TEST(ConvertTest, WhatNoAgentCanDoYetIsRefusedByName) {
  v1::LaunchGuestRequest request = GoodLaunch();
  v1::GuestSpec& spec = *request.mutable_guest()->mutable_spec();
  spec.set_tpm(v1::GuestSpec::TPM2);

  EXPECT_THAT(FaultsOf(request), ElementsAre("guest.spec.tpm"));
}

TEST(ConvertTest, LayersAndDevicesSurviveTheWayThereAndBack) {
  v1::LaunchGuestRequest request = GoodLaunch();
  v1::GuestSpec& spec = *request.mutable_guest()->mutable_spec();
  spec.set_machine(v1::GuestSpec::Q35);
  v1::GuestSpec::Disk::Layer& mid = *spec.mutable_disks(0)->add_backing();
  mid.set_volume("pools/main/volumes/mid");
  mid.set_format(v1::GuestSpec::Disk::QCOW2);
  v1::GuestSpec::Disk::Layer& base = *spec.mutable_disks(0)->add_backing();
  base.set_volume("pools/other/volumes/base");
  base.set_format(v1::GuestSpec::Disk::RAW);
  spec.mutable_disks(1)->set_device(v1::GuestSpec::Disk::CDROM);

  const absl::StatusOr<GuestRecord> record = ParseLaunch(request, kUid, "");

  ASSERT_THAT(record, IsOk());
  ASSERT_EQ(record->spec.disks[0].backing.size(), size_t{2});
  EXPECT_EQ(record->spec.disks[1].device, DiskDevice::kCdrom);
  const v1::GuestSpec shown = ToGuest(*record, "", false, "").spec();
  EXPECT_TRUE(MessageDifferencer::Equals(shown, spec)) << shown.DebugString();
}

TEST(ConvertTest, EveryFaultOfALayerIsNamedOnce) {
  v1::LaunchGuestRequest request = GoodLaunch();
  v1::GuestSpec& spec = *request.mutable_guest()->mutable_spec();
  spec.mutable_disks(0)->add_backing()->set_volume("/etc/shadow");
  spec.mutable_disks(0)->add_backing()->set_volume("pools/p/volumes/v");
  spec.mutable_disks(0)->mutable_backing(1)->set_format(
      static_cast<v1::GuestSpec::Disk::Format>(9));
  spec.mutable_disks(1)->set_device(
      static_cast<v1::GuestSpec::Disk::Device>(9));

  EXPECT_THAT(FaultsOf(request),
              UnorderedElementsAre("guest.spec.disks[0].backing[0].volume",
                                   "guest.spec.disks[0].backing[0].format",
                                   "guest.spec.disks[0].backing[1].format",
                                   "guest.spec.disks[1].device"));
}

TEST(ConvertTest, WhatIsLeftOutGetsItsDefault) {
  v1::LaunchGuestRequest request;
  request.set_guest_id("web");
  request.mutable_guest()->mutable_spec()->set_vcpu_count(1);
  request.mutable_guest()->mutable_spec()->set_memory_bytes(64 << 20);

  const absl::StatusOr<GuestRecord> record =
      ParseLaunch(request, kUid, "user/alice");

  ASSERT_THAT(record, IsOk());
  EXPECT_EQ(record->owner, "user/alice");
  EXPECT_EQ(record->spec.machine, Machine::kQ35);
  EXPECT_EQ(record->spec.accel, Accel::kAuto);
  EXPECT_FALSE(record->spec.kernel.has_value());
  EXPECT_FALSE(record->spec.initrd.has_value());
  const v1::GuestSpec spec = ToGuest(*record, "", false, "").spec();
  EXPECT_EQ(spec.machine(), v1::GuestSpec::Q35);
  EXPECT_EQ(spec.acceleration(), v1::GuestSpec::ACCELERATION_UNSPECIFIED);
  EXPECT_EQ(spec.kernel(), "");
}

TEST(ConvertTest, FirmwareComesBackAndWhatIsNotKnownIsRefused) {
  for (const v1::GuestSpec::Firmware firmware :
       {v1::GuestSpec::UEFI, v1::GuestSpec::UEFI_SECURE_BOOT}) {
    v1::LaunchGuestRequest request;
    request.set_guest_id("web");
    v1::GuestSpec* const spec = request.mutable_guest()->mutable_spec();
    spec->set_vcpu_count(1);
    spec->set_memory_bytes(256 << 20);
    spec->set_firmware(firmware);
    const auto record = ParseLaunch(request, kUid, "user/ada");
    ASSERT_THAT(record, IsOk());
    EXPECT_EQ(ToGuest(*record, "", false, "").spec().firmware(), firmware);

    spec->set_firmware(static_cast<v1::GuestSpec::Firmware>(9));
    EXPECT_THAT(FaultsOf(request), ElementsAre("guest.spec.firmware"));
  }
}

TEST(ConvertTest, EveryFaultOfALaunchIsNamedOnce) {
  v1::LaunchGuestRequest request = GoodLaunch();
  request.set_guest_id("Web!");
  request.mutable_guest()->set_owner("service/ci");
  v1::GuestSpec& spec = *request.mutable_guest()->mutable_spec();
  spec.set_vcpu_count(0);
  spec.set_memory_bytes(1);
  spec.mutable_disks(0)->set_volume("/etc/shadow");
  spec.mutable_disks(0)->clear_format();
  spec.mutable_disks(1)->clear_mode();
  spec.set_kernel("vmlinuz");

  EXPECT_THAT(FaultsOf(request),
              UnorderedElementsAre(
                  "guest_id", "guest.owner", "guest.spec.vcpu_count",
                  "guest.spec.memory_bytes", "guest.spec.disks[0].volume",
                  "guest.spec.disks[0].format", "guest.spec.disks[1].mode",
                  "guest.spec.kernel"));
}

TEST(ConvertTest, EnumValueOfALaterVersionIsRefusedAndNeverGuessed) {
  v1::LaunchGuestRequest request = GoodLaunch();
  v1::GuestSpec& spec = *request.mutable_guest()->mutable_spec();
  spec.set_machine(static_cast<v1::GuestSpec::Machine>(77));
  spec.set_acceleration(static_cast<v1::GuestSpec::Acceleration>(78));
  spec.mutable_disks(0)->set_format(
      static_cast<v1::GuestSpec::Disk::Format>(79));

  EXPECT_THAT(
      FaultsOf(request),
      UnorderedElementsAre("guest.spec.machine", "guest.spec.acceleration",
                           "guest.spec.disks[0].format"));
}

TEST(ConvertTest, OwnerMustBeAUser) {
  v1::LaunchGuestRequest request = GoodLaunch();
  for (const char* owner :
       {"service/ci", "host/h1", "alice", "user/", "user"}) {
    request.mutable_guest()->set_owner(owner);
    EXPECT_THAT(FaultsOf(request), ElementsAre("guest.owner")) << owner;
  }
  request.mutable_guest()->clear_owner();
  EXPECT_THAT(ParseLaunch(request, kUid, "service/ci"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("must be user/NAME, not 'service/ci'")));
}

TEST(ConvertTest, GuestThatNeverRanShowsNothingOfAProcess) {
  GuestRecord record;
  record.id = "web";
  record.uid = kUid;
  record.state = GuestState::kStarting;

  const v1::Guest guest = ToGuest(record, "hosts/h1", false, "operations/o");

  EXPECT_EQ(guest.name(), "guests/web");
  EXPECT_EQ(guest.host(), "hosts/h1");
  EXPECT_EQ(guest.origin(), v1::Guest::LAUNCHED);
  EXPECT_EQ(guest.state(), v1::Guest::STARTING);
  EXPECT_EQ(guest.operation(), "operations/o");
  EXPECT_FALSE(guest.has_process());
  EXPECT_FALSE(guest.has_exit());
  EXPECT_FALSE(guest.has_start_time());
  EXPECT_EQ(guest.acceleration(), "");
}

TEST(ConvertTest, RunningGuestShowsItsProcess) {
  GuestRecord record;
  record.id = "web";
  record.state = GuestState::kRunning;
  record.start_time = absl::FromUnixMicros(1'700'000'000'000'001);
  record.process =
      GuestProcess{4242, 4241, 1880000000, 1880000001, 99, "boot", {}};
  record.resolved_machine_type = "pc-q35-7.2";
  record.accel_used = Accel::kTcg;
  record.accel_reason = "no /dev/kvm";
  record.etag = "e-1";

  const v1::Guest guest = ToGuest(record, "hosts/h1", true, "");

  EXPECT_EQ(guest.process().pid(), 4242);
  EXPECT_EQ(guest.process().unix_uid(), 1880000000);
  EXPECT_EQ(guest.process().unix_gid(), 1880000001);
  EXPECT_EQ(guest.process().start_time_ticks(), 99);
  EXPECT_EQ(guest.process().boot_id(), "boot");
  EXPECT_EQ(guest.start_time().seconds(), 1'700'000'000);
  EXPECT_EQ(guest.start_time().nanos(), 1000);
  EXPECT_EQ(guest.machine_type(), "pc-q35-7.2");
  EXPECT_EQ(guest.acceleration(), "tcg");
  EXPECT_EQ(guest.acceleration_reason(), "no /dev/kvm");
  EXPECT_TRUE(guest.unresponsive());
  EXPECT_EQ(guest.etag(), "e-1");
}

TEST(ConvertTest, ExitTellsStatusFromSignalFromNeither) {
  GuestRecord record;
  record.state = GuestState::kFailed;

  record.exit = GuestExit{ExitKind::kExited, 0, absl::UnixEpoch()};
  v1::Guest::Exit exit = ToGuest(record, "", false, "").exit();
  EXPECT_TRUE(exit.has_status());
  EXPECT_EQ(exit.status(), 0);
  EXPECT_FALSE(exit.has_signal());

  record.exit = GuestExit{ExitKind::kSignaled, 9, absl::UnixEpoch()};
  exit = ToGuest(record, "", false, "").exit();
  EXPECT_FALSE(exit.has_status());
  EXPECT_EQ(exit.signal(), 9);

  record.exit = GuestExit{ExitKind::kLost, 0, absl::FromUnixSeconds(5)};
  exit = ToGuest(record, "", false, "").exit();
  EXPECT_FALSE(exit.has_status());
  EXPECT_FALSE(exit.has_signal());
  EXPECT_EQ(exit.time().seconds(), 5);
}

TEST(ConvertTest, EveryStateHasItsValue) {
  std::vector<v1::Guest::State> states;
  for (const GuestState state : kAllGuestStates) {
    GuestRecord record;
    record.state = state;
    states.push_back(ToGuest(record, "", false, "").state());
  }
  EXPECT_THAT(states, ElementsAre(v1::Guest::STARTING, v1::Guest::RUNNING,
                                  v1::Guest::PAUSED, v1::Guest::STOPPING,
                                  v1::Guest::STOPPED, v1::Guest::FAILED));
}

TEST(ConvertTest, RunningOperationHasNeitherResultNorError) {
  OperationRecord record;
  record.name = "operations/o";

  const absl::StatusOr<google::longrunning::Operation> operation =
      ToOperation(record);

  ASSERT_THAT(operation, IsOk());
  EXPECT_EQ(operation->name(), "operations/o");
  EXPECT_FALSE(operation->done());
  EXPECT_EQ(operation->result_case(),
            google::longrunning::Operation::RESULT_NOT_SET);
  EXPECT_FALSE(operation->has_metadata());
}

TEST(ConvertTest, DamagedOperationIsDataLossAndNamesIt) {
  OperationRecord record;
  record.name = "operations/o";
  record.done = true;
  record.result = "\xff\xff\xff";

  EXPECT_THAT(ToOperation(record),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("operations/o")));
}

TEST(ConvertTest, EventSaysWhereWhatAndForWhom) {
  EventRecord record;
  record.sequence = 7;
  record.time = absl::FromUnixSeconds(3);
  record.guest = "web";
  record.owner = "user/alice";
  record.type = "guest.started";
  record.payload =
      SerializeEventPayload({kUid, "operations/o", "user/op", "process 5"});

  const v1::Event event = ToEvent(record, "hosts/h1", 42);

  EXPECT_EQ(event.host(), "hosts/h1");
  EXPECT_EQ(event.epoch(), "42");
  EXPECT_EQ(event.sequence(), 7);
  EXPECT_EQ(event.time().seconds(), 3);
  EXPECT_EQ(event.type(), "guest.started");
  EXPECT_EQ(event.guest(), "guests/web");
  EXPECT_EQ(event.guest_uid(), kUid);
  EXPECT_EQ(event.owner(), "user/alice");
  EXPECT_EQ(event.operation(), "operations/o");
  EXPECT_EQ(event.caller(), "user/op");
  EXPECT_EQ(event.message(), "process 5");
}

TEST(ConvertTest, EventAboutNoGuestNamesNone) {
  EventRecord record;
  record.type = "host.up";
  EXPECT_EQ(ToEvent(record, "hosts/h1", 1).guest(), "");
}

}  // namespace
}  // namespace innkeeper
