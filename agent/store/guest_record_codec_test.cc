#include "agent/store/guest_record_codec.h"

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "agent/context/context_spec.h"
#include "agent/guest/guest_record.h"
#include "agent/guest/guest_spec.h"
#include "agent/guest/guest_state.h"
#include "agent/launch/launch_context.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using ::testing::HasSubstr;
using ::testing::Lt;

// Every part, each with its largest number of values.
ContextSpec WholeContext() {
  ContextSpec spec;
  spec.identity = ContextIdentity{IdentityKind::kNamed, std::string(63, 'i')};
  for (char c = 'a'; c < 'a' + 16; ++c) {
    spec.groups.insert(std::string(63, c));
    spec.capabilities.insert(std::string(63, c));
  }
  spec.selinux = LaunchLabel{"u:r:" + std::string(251, 't'), true};
  spec.apparmor = LaunchLabel{std::string(255, 'p'), false};
  for (int kind = 1; kind <= 8; ++kind) {
    spec.namespaces[static_cast<ContextNamespaceKind>(kind)] = {};
  }
  // Capabilities would have no effect in a new one.
  spec.namespaces[ContextNamespaceKind::kUser] = {NamespaceMode::kHost, ""};
  spec.namespaces[ContextNamespaceKind::kNetwork] = {NamespaceMode::kNamed,
                                                     std::string(63, 'n')};
  spec.root = std::string(63, 'r');
  spec.seccomp_classes = {SeccompClass::kObsolete,
                          SeccompClass::kElevatePrivileges,
                          SeccompClass::kSpawn, SeccompClass::kResourceControl};
  spec.landlock = LandlockMode::kOff;
  spec.cgroup = {
      std::string(63, 's'), 10000, 1000000, 1 << 30, 4096, 1, 2, 3, 4};
  for (const char* resource :
       {"nofile", "nproc", "core", "memlock", "stack", "as", "fsize", "data",
        "sigpending", "msgqueue", "rttime", "rtprio", "nice", "locks", "cpu"}) {
    spec.rlimits[resource] = int64_t{1} << 60;
  }
  spec.nice = -20;
  spec.cpu_affinity = "0-3,6";
  spec.oom_score_adj = 0;
  for (char c = 'A'; c < 'A' + 8; ++c) {
    spec.environment[std::string(1, c)] = std::string(255, 'v');
  }
  return spec;
}

GuestRecord FullRecord() {
  GuestRecord record;
  record.id = "web";
  record.uid = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
  record.owner = "user/tenant-a";
  record.requested_by = "user/operator";
  record.spec.machine_type = "pc-q35-7.2";
  record.spec.accel = Accel::kTcg;
  record.spec.vcpu_count = 2;
  record.spec.memory_bytes = int64_t{256} << 20;
  record.spec.disks = {
      {{"p", "root"}, DiskFormat::kQcow2, DiskMode::kEphemeral, "s1"},
      {{"p", "data"}, DiskFormat::kRaw, DiskMode::kReadOnly, ""},
      {{"p", "top"},
       DiskFormat::kQcow2,
       DiskMode::kReadWrite,
       "",
       {{{"p", "mid"}, DiskFormat::kQcow2}, {{"q", "base"}, DiskFormat::kRaw}}},
      {{"p", "cd"},
       DiskFormat::kRaw,
       DiskMode::kReadOnly,
       "",
       {},
       DiskDevice::kCdrom}};
  record.spec.networks = {
      {"lan", "", NicModel::kVirtio, 2, {"192.0.2.7", "2001:db8::7"}},
      {"wan", "52:54:00:12:34:56", NicModel::kE1000e, 1, {}}};
  record.spec.kernel = VolumeName{"p", "vmlinuz"};
  record.spec.initrd = VolumeName{"p", "initrd"};
  record.spec.kernel_command_line = "console=ttyS0";
  record.spec.labels = {{"app", "web"}, {"tier", "1"}};
  record.spec.start_paused = true;
  record.spec.context = "build";
  record.spec.context_parts.nice = 3;
  record.spec.effective_context = WholeContext();
  record.spec.firmware = Firmware::kUefi;
  record.spec_digest = SpecDigest(record.spec);
  record.state = GuestState::kFailed;
  record.state_reason = "QEMU died";
  record.exit = GuestExit{ExitKind::kSignaled, 9, absl::FromUnixMicros(12345)};
  record.process = GuestProcess{100,
                                99,
                                1880000001,
                                1880000001,
                                777,
                                "boot",
                                {"ink00000001-0", "ink00000001-1"}};
  record.resolved_machine_type = "pc-q35-7.2";
  record.accel_used = Accel::kTcg;
  record.accel_reason = "no /dev/kvm";
  record.create_time = absl::FromUnixMicros(1800000000000001);
  record.start_time = absl::FromUnixMicros(1800000000000002);
  record.update_time = absl::FromUnixMicros(1800000000000003);
  record.revision = 7;
  record.etag = "\"7\"";
  record.last_operation = "operations/x";
  return record;
}

GuestRecord SmallRecord() {
  GuestRecord record;
  record.id = "a";
  record.uid = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
  record.spec.memory_bytes = kMinMemoryBytes;
  return record;
}

TEST(GuestRecordCodecTest, ARecordComesBackAsItWas) {
  for (const GuestRecord& record : {FullRecord(), SmallRecord()}) {
    const absl::StatusOr<GuestRecord> back =
        ParseGuestRecord(SerializeGuestRecord(record));

    ASSERT_THAT(back, IsOk());
    EXPECT_TRUE(*back == record);
  }
}

TEST(GuestRecordCodecTest, TheLargestValidRecordFitsIntoAManifest) {
  GuestRecord record = FullRecord();
  record.spec.context_parts = WholeContext();
  record.spec.kernel_command_line = std::string(kMaxKernelCommandLine, 'a');
  for (size_t i = 0; i < kMaxLabels; ++i) {
    record.spec.labels[absl::StrCat(std::string(60, 'k'), i)] =
        std::string(128, 'v');
    if (record.spec.labels.size() == kMaxLabels) break;
  }
  record.spec.disks.clear();
  for (size_t i = 0; i < kMaxDisks; ++i) {
    record.spec.disks.push_back(
        {{std::string(63, 'p'), absl::StrCat(std::string(62, 'v'), i)},
         DiskFormat::kQcow2,
         DiskMode::kEphemeral,
         std::string(20, 's')});
    for (size_t j = 1; j < kMaxDiskVolumes / kMaxDisks; ++j) {
      record.spec.disks.back().backing.push_back(
          {{std::string(63, 'p'), absl::StrCat(std::string(60, 'w'), i, j)},
           DiskFormat::kQcow2});
    }
  }
  record.state_reason = std::string(1 << 20, 'x');
  record.accel_reason = std::string(1 << 20, 'x');
  ASSERT_THAT(ValidateGuestSpec(record.spec, "spec"), IsOk());

  const std::string bytes = SerializeGuestRecord(record);

  EXPECT_THAT(bytes.size(), Lt(kMaxGuestRecordBytes));
  EXPECT_THAT(ParseGuestRecord(bytes), IsOk());
}

TEST(GuestRecordCodecTest, AReasonThatIsNotUtf8IsStillStored) {
  GuestRecord record = SmallRecord();
  record.state_reason = "bad \xff\xfe";

  const absl::StatusOr<GuestRecord> back =
      ParseGuestRecord(SerializeGuestRecord(record));

  ASSERT_THAT(back, IsOk());
  EXPECT_EQ(back->state_reason, "bad ??");
}

TEST(GuestRecordCodecTest, EveryFlippedByteIsFound) {
  const std::string bytes = SerializeGuestRecord(FullRecord());
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string flipped = bytes;
    flipped[i] = static_cast<char>(flipped[i] ^ 0x10);
    EXPECT_THAT(ParseGuestRecord(flipped),
                StatusIs(absl::StatusCode::kDataLoss))
        << "byte " << i;
  }
}

TEST(GuestRecordCodecTest, EveryTruncationIsFound) {
  const std::string bytes = SerializeGuestRecord(FullRecord());
  for (size_t i = 0; i < bytes.size(); ++i) {
    EXPECT_THAT(ParseGuestRecord(bytes.substr(0, i)),
                StatusIs(absl::StatusCode::kDataLoss))
        << i << " bytes";
  }
}

TEST(GuestRecordCodecTest, ARecordWhoseSpecIsInvalidIsRefused) {
  GuestRecord record = FullRecord();
  record.spec.disks[0].volume.volume = "../../etc/shadow";

  EXPECT_THAT(ParseGuestRecord(SerializeGuestRecord(record)),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("disks[0]")));
}

TEST(GuestRecordCodecTest, ARecordWithoutAGoodNameIsRefused) {
  GuestRecord record = FullRecord();
  record.id = "../x";
  EXPECT_THAT(ParseGuestRecord(SerializeGuestRecord(record)),
              StatusIs(absl::StatusCode::kDataLoss));
  record = FullRecord();
  record.uid = "x";
  EXPECT_THAT(ParseGuestRecord(SerializeGuestRecord(record)),
              StatusIs(absl::StatusCode::kDataLoss));
}

TEST(GuestRecordCodecTest, BytesThatAreTooLongAreRefused) {
  EXPECT_THAT(ParseGuestRecord(std::string(kMaxGuestRecordBytes + 1, 'x')),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("too long")));
}

TEST(GuestRecordCodecTest, TheDigestTellsSpecsApartAndIsStable) {
  const GuestSpec spec = FullRecord().spec;
  GuestSpec other = spec;
  other.labels["app"] = "db";

  EXPECT_EQ(SpecDigest(spec), SpecDigest(FullRecord().spec));
  EXPECT_NE(SpecDigest(spec), SpecDigest(other));
  EXPECT_EQ(SpecDigest(GuestSpec()),
            "b393ff55d503385e6ddbc331f1dfe7db5de003e2c665c60e40ef6a26756959df");
}

TEST(GuestRecordCodecTest, DigestTellsWhatTheContextMade) {
  GuestRecord one = SmallRecord();
  one.spec.context = "build";
  GuestRecord other = one;
  other.spec.effective_context.nice = 1;

  EXPECT_NE(SpecDigest(one.spec), SpecDigest(other.spec));
}

}  // namespace
}  // namespace innkeeper
