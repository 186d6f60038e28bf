#include "agent/guest/guest_spec.h"

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

GuestSpec FullSpec() {
  GuestSpec spec;
  spec.machine_type = "pc-q35-7.2";
  spec.vcpu_count = 2;
  spec.memory_bytes = int64_t{256} << 20;
  spec.disks = {
      {{"p", "root.qcow2"}, DiskFormat::kQcow2, DiskMode::kEphemeral, "root-1"},
      {{"p", "data"}, DiskFormat::kRaw, DiskMode::kReadWrite, ""}};
  spec.kernel = VolumeName{"p", "vmlinuz"};
  spec.initrd = VolumeName{"p", "initrd.img"};
  spec.kernel_command_line = "console=ttyS0 root=/dev/vda, quiet=\"x y\"";
  spec.labels = {{"app", "web"}, {"team.x", ""}};
  return spec;
}

std::vector<std::string> FaultyFields(const GuestSpec& spec) {
  std::vector<std::string> fields;
  for (const FieldViolation& fault : FindFaults(spec, "")) {
    fields.push_back(fault.field);
  }
  return fields;
}

TEST(GuestSpecTest, AFullSpecIsValid) {
  EXPECT_THAT(ValidateGuestSpec(FullSpec(), "guest.spec"), IsOk());
}

TEST(GuestSpecTest, FirmwareIsKnownByItsNameAndPartOfTheSpec) {
  GuestSpec spec = FullSpec();
  spec.firmware = Firmware::kUefi;
  EXPECT_THAT(FaultyFields(spec), IsEmpty());
  EXPECT_FALSE(spec == FullSpec());
  EXPECT_EQ(ToString(Firmware::kBios), "bios");
  EXPECT_EQ(ToString(Firmware::kUefi), "uefi");
  EXPECT_EQ(ToString(Firmware::kUefiSecureBoot), "uefi-secure-boot");
}

TEST(GuestSpecTest, TheSmallestSpecNeedsOnlyMemory) {
  GuestSpec spec;
  EXPECT_THAT(FaultyFields(spec), ElementsAre("memory_bytes"));
  spec.memory_bytes = kMinMemoryBytes;
  EXPECT_THAT(FaultyFields(spec), IsEmpty());
}

TEST(GuestSpecTest, AllFaultsAreToldAtOnceByTheirPaths) {
  GuestSpec spec = FullSpec();
  spec.vcpu_count = 0;
  spec.memory_bytes = 1;
  spec.disks[1].volume.volume = "../shadow";
  spec.kernel.reset();

  const absl::Status status = ValidateGuestSpec(spec, "guest.spec");

  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(status, HasReason(reason::kInvalidRequest));
  std::vector<std::string> fields;
  for (const FieldViolation& fault : DetailsOf(status).fields) {
    fields.push_back(fault.field);
    EXPECT_FALSE(fault.description.empty());
  }
  EXPECT_THAT(fields,
              ElementsAre("guest.spec.vcpu_count", "guest.spec.memory_bytes",
                          "guest.spec.disks[1].volume", "guest.spec.initrd",
                          "guest.spec.kernel_command_line"));
}

TEST(GuestSpecTest, EachBadValueIsRefusedByItsField) {
  struct Case {
    const char* field;
    std::function<void(GuestSpec&)> spoil;
  };
  const Case cases[] = {
      {"machine", [](GuestSpec& s) { s.machine = static_cast<Machine>(0); }},
      {"machine_type", [](GuestSpec& s) { s.machine_type = "q35"; }},
      {"machine_type", [](GuestSpec& s) { s.machine_type = "pc-i440fx-7.2"; }},
      {"machine_type",
       [](GuestSpec& s) { s.machine_type = "pc-q35-7.2,usb=on"; }},
      {"machine_type", [](GuestSpec& s) { s.machine_type = "pc-q35-7."; }},
      {"machine_type", [](GuestSpec& s) { s.machine_type = "pc-q35-7.2\n"; }},
      {"machine_type", [](GuestSpec& s) { s.machine = Machine::kMicrovm; }},
      {"accel", [](GuestSpec& s) { s.accel = static_cast<Accel>(9); }},
      {"vcpu_count", [](GuestSpec& s) { s.vcpu_count = -1; }},
      {"vcpu_count", [](GuestSpec& s) { s.vcpu_count = kMaxVcpus + 1; }},
      {"memory_bytes",
       [](GuestSpec& s) { s.memory_bytes = kMinMemoryBytes - (1 << 20); }},
      {"memory_bytes",
       [](GuestSpec& s) { s.memory_bytes = kMaxMemoryBytes + (1 << 20); }},
      {"memory_bytes", [](GuestSpec& s) { s.memory_bytes += 4096; }},
      {"memory_bytes", [](GuestSpec& s) { s.memory_bytes = -(1 << 24); }},
      {"disks[0].format",
       [](GuestSpec& s) { s.disks[0].format = static_cast<DiskFormat>(0); }},
      {"disks[0].mode",
       [](GuestSpec& s) { s.disks[0].mode = static_cast<DiskMode>(0); }},
      {"disks[0].serial",
       [](GuestSpec& s) { s.disks[0].serial = std::string(21, 'a'); }},
      {"disks[0].serial", [](GuestSpec& s) { s.disks[0].serial = "a,b"; }},
      {"disks[0].volume", [](GuestSpec& s) { s.disks[0].volume.pool = ""; }},
      {"kernel",
       [](GuestSpec& s) {
         s.kernel = VolumeName{"p", "/boot/vmlinuz"};
       }},
      {"initrd",
       [](GuestSpec& s) {
         s.initrd = VolumeName{"p", ".."};
       }},
      {"kernel_command_line",
       [](GuestSpec& s) { s.kernel_command_line = "a\nb"; }},
      {"kernel_command_line",
       [](GuestSpec& s) { s.kernel_command_line = std::string("a\0b", 3); }},
      {"kernel_command_line",
       [](GuestSpec& s) { s.kernel_command_line = std::string(2001, 'a'); }},
      {"labels", [](GuestSpec& s) { s.labels["Key"] = "v"; }},
      {"labels", [](GuestSpec& s) { s.labels[std::string(64, 'k')] = "v"; }},
      {"labels[app]", [](GuestSpec& s) { s.labels["app"] = "a\x1b[2J"; }},
      {"labels[app]",
       [](GuestSpec& s) { s.labels["app"] = std::string(129, 'v'); }},
      {"labels",
       [](GuestSpec& s) {
         for (int i = 0; i < 33; ++i) s.labels[absl::StrCat("k", i)] = "v";
       }},
      {"disks", [](GuestSpec& s) { s.disks.resize(9); }},
      {"firmware", [](GuestSpec& s) { s.firmware = static_cast<Firmware>(0); }},
      {"firmware",
       [](GuestSpec& s) {
         s.machine = Machine::kMicrovm;
         s.machine_type.clear();
         s.firmware = Firmware::kUefi;
       }},
      {"memory_bytes",
       [](GuestSpec& s) {
         s.firmware = Firmware::kUefi;
         s.memory_bytes = kMinUefiMemoryBytes - (1 << 20);
       }},
      // Nobody would check who signed it.
      {"kernel", [](GuestSpec& s) { s.firmware = Firmware::kUefiSecureBoot; }},
  };
  for (const Case& c : cases) {
    GuestSpec spec = FullSpec();
    c.spoil(spec);
    EXPECT_THAT(FaultyFields(spec), ElementsAre(c.field));
  }
}

TEST(GuestSpecTest, AVolumeWrittenByOneDiskIsNoOthers) {
  GuestSpec spec = FullSpec();
  spec.disks[0].volume = spec.disks[1].volume;

  EXPECT_THAT(FaultyFields(spec), ElementsAre("disks[1].volume"));
}

TEST(GuestSpecTest, ABaseMayServeSeveralDisksThatDoNotWriteToIt) {
  GuestSpec spec = FullSpec();
  spec.disks[1].volume = spec.disks[0].volume;
  spec.disks[1].mode = DiskMode::kReadOnly;

  EXPECT_THAT(FaultyFields(spec), IsEmpty());
}

TEST(GuestSpecTest, MicrovmHasNoVersions) {
  GuestSpec spec = FullSpec();
  spec.machine = Machine::kMicrovm;
  spec.machine_type = "microvm";

  EXPECT_THAT(FaultyFields(spec), IsEmpty());
}

}  // namespace
}  // namespace innkeeper
