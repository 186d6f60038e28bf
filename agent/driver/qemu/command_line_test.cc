#include "agent/driver/qemu/command_line.h"

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/guest/guest_record.h"
#include "agent/guest/guest_spec.h"
#include "agent/guest/network_spec.h"
#include "agent/launch/launch_context.h"
#include "agent/launch/launch_plan.h"
#include "base/file.h"
#include "base/net_address.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace innkeeper {
namespace {

GuestRecord Record() {
  GuestRecord record;
  record.id = "web";
  record.uid = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
  record.spec.vcpu_count = 2;
  record.spec.memory_bytes = int64_t{256} << 20;
  record.spec.disks = {
      {{"p", "root.qcow2"}, DiskFormat::kQcow2, DiskMode::kEphemeral, "root-1"},
      {{"p", "data"}, DiskFormat::kRaw, DiskMode::kReadWrite, ""},
      {{"q", "tools"}, DiskFormat::kRaw, DiskMode::kReadOnly, ""}};
  record.spec.kernel = VolumeName{"p", "vmlinuz"};
  record.spec.initrd = VolumeName{"p", "initrd"};
  record.spec.kernel_command_line = "console=ttyS0 quiet";
  return record;
}

const std::vector<DiskSize>& Sizes() {
  static const auto* const sizes = new std::vector<DiskSize>{
      {1 << 30, 2 << 20}, {1 << 20, 1 << 20}, {1 << 20, 1 << 20}};
  return *sizes;
}

QemuTarget Q35() {
  return {"/usr/bin/qemu-system-x86_64", "pc-q35-7.2", Accel::kTcg};
}
QemuTarget Microvm() {
  return {"/usr/bin/qemu-system-x86_64", "microvm", Accel::kTcg};
}

// One argument a line, and the tables below them.
std::string AsText(const CommandLine& line) {
  std::string text;
  for (const std::string& argument : line.argv) {
    absl::StrAppend(&text, argument, "\n");
  }
  for (const PlannedImage& image : line.images) {
    absl::StrAppend(&text, "image ", image.pool, "/", image.name,
                    image.writable ? absl::StrCat(" rw to ", image.max_bytes)
                                   : std::string(" ro"),
                    "\n");
  }
  for (const PlannedOverlay& overlay : line.overlays) {
    absl::StrAppend(&text, "overlay ", overlay.virtual_bytes, "\n");
  }
  for (const PlannedTap& tap : line.taps) {
    absl::StrAppend(&text, "tap ", tap.network, " ", FormatMac(tap.mac),
                    " queues ", tap.queue_count, " from");
    for (const std::string& address : tap.addresses) {
      absl::StrAppend(&text, " ", FormatIp(address));
    }
    text += "\n";
  }
  for (const PlannedFd& fd : line.fds) {
    absl::StrAppend(&text, "fd ", fd.number, " kind ",
                    static_cast<int>(fd.kind), " index ", fd.index, "\n");
  }
  return text;
}

void ExpectGolden(const CommandLine& line, const std::string& name) {
  const absl::StatusOr<std::string> golden =
      ReadFile(absl::StrCat("agent/driver/qemu/golden/", name), 1 << 20);
  ASSERT_THAT(golden, IsOk());
  EXPECT_EQ(AsText(line), *golden);
}

TEST(CommandLineTest, AQ35GuestWithEveryKindOfDisk) {
  const auto line = BuildCommandLine(Record(), Q35(), Sizes());

  ASSERT_THAT(line, IsOk());
  ExpectGolden(*line, "q35.txt");
}

TEST(CommandLineTest, FilterDeniesEveryClassThatIsNotAllowed) {
  QemuTarget target = Q35();
  target.allowed_seccomp_classes = {SeccompClass::kSpawn};

  const auto line = BuildCommandLine(Record(), target, Sizes());

  ASSERT_THAT(line, IsOk());
  EXPECT_THAT(line->argv,
              testing::Contains("on,obsolete=deny,elevateprivileges=deny,"
                                "spawn=allow,resourcecontrol=deny"));
}

TEST(CommandLineTest, AMicrovmGuestWithEveryKindOfDisk) {
  GuestRecord record = Record();
  record.spec.machine = Machine::kMicrovm;

  const auto line = BuildCommandLine(record, Microvm(), Sizes());

  ASSERT_THAT(line, IsOk());
  ExpectGolden(*line, "microvm.txt");
}

TEST(CommandLineTest, AGuestWithUefi) {
  GuestRecord record = Record();
  record.spec.disks.clear();
  record.spec.firmware = Firmware::kUefi;

  const auto line = BuildCommandLine(record, Q35(), {});

  ASSERT_THAT(line, IsOk());
  EXPECT_EQ(line->firmware, PlannedFirmware::kUefi);
  ExpectGolden(*line, "uefi.txt");
}

TEST(CommandLineTest, AGuestWithSecureBootLetsOnlySmmWriteItsVariables) {
  GuestRecord record = Record();
  record.spec.kernel.reset();
  record.spec.initrd.reset();
  record.spec.kernel_command_line.clear();
  record.spec.disks.resize(1);
  record.spec.firmware = Firmware::kUefiSecureBoot;

  const auto line = BuildCommandLine(record, Q35(), {{1 << 30, 2 << 20}});

  ASSERT_THAT(line, IsOk());
  EXPECT_EQ(line->firmware, PlannedFirmware::kUefiSecureBoot);
  EXPECT_THAT(line->argv, testing::Contains(
                              "driver=cfi.pflash01,property=secure,value=on"));
  ExpectGolden(*line, "secure_boot.txt");
}

TEST(CommandLineTest, ASmallGuestUnderKvm) {
  GuestRecord record = Record();
  record.spec = GuestSpec();
  record.spec.memory_bytes = kMinMemoryBytes;
  QemuTarget target = Q35();
  target.accel = Accel::kKvm;

  const auto line = BuildCommandLine(record, target, {});

  ASSERT_THAT(line, IsOk());
  ExpectGolden(*line, "small.txt");
}

TEST(CommandLineTest, AGuestOnTwoNetworks) {
  GuestRecord record = Record();
  record.spec = GuestSpec();
  record.spec.memory_bytes = kMinMemoryBytes;
  record.spec.networks.resize(2);
  record.spec.networks[0].network = "lan";
  record.spec.networks[0].queue_count = 2;
  record.spec.networks[0].addresses = {"192.0.2.7", "2001:db8::7"};
  record.spec.networks[1].network = "wan";
  record.spec.networks[1].mac = "52:54:00:12:34:56";
  record.spec.networks[1].model = NicModel::kE1000e;
  QemuTarget target = Q35();
  target.accel = Accel::kKvm;

  const auto line = BuildCommandLine(record, target, {});

  ASSERT_THAT(line, IsOk());
  ExpectGolden(*line, "networks.txt");
}

TEST(CommandLineTest, AMicrovmHasItsInterfaceWithoutBusAndRom) {
  GuestRecord record = Record();
  record.spec.machine = Machine::kMicrovm;
  record.spec.networks.resize(1);
  record.spec.networks[0].network = "lan";

  const auto line = BuildCommandLine(record, Microvm(), Sizes());

  ASSERT_THAT(line, IsOk());
  EXPECT_EQ(line->argv.back(),
            R"({"driver":"virtio-net-device","id":"dev-net0",)"
            R"("mac":"52:54:e8:2c:33:01","netdev":"net0"})");
}

// A written and an ephemeral disk over the same two layers, and a CD-ROM.
GuestRecord LayeredRecord() {
  GuestRecord record = Record();
  record.spec = GuestSpec();
  record.spec.memory_bytes = kMinMemoryBytes;
  const std::vector<LayerSpec> layers = {
      {{"p", "mid.qcow2"}, DiskFormat::kQcow2},
      {{"q", "base"}, DiskFormat::kRaw}};
  record.spec.disks = {
      {{"p", "top.qcow2"},
       DiskFormat::kQcow2,
       DiskMode::kReadWrite,
       "",
       layers},
      {{"p", "cd.iso"},
       DiskFormat::kRaw,
       DiskMode::kReadOnly,
       "",
       {},
       DiskDevice::kCdrom},
      {{"p", "gold"}, DiskFormat::kQcow2, DiskMode::kEphemeral, "", layers}};
  return record;
}

std::vector<DiskSize> LayeredSizes() {
  std::vector<DiskSize> sizes = Sizes();
  const GuestRecord record = LayeredRecord();
  for (size_t i = 0; i < sizes.size(); ++i) {
    sizes[i].block_layers.resize(record.spec.disks[i].backing.size());
  }
  return sizes;
}

TEST(CommandLineTest, LayersAndACdrom) {
  const auto line = BuildCommandLine(LayeredRecord(), Q35(), LayeredSizes());

  ASSERT_THAT(line, IsOk());
  ExpectGolden(*line, "layers.txt");
}

TEST(CommandLineTest, OnlyTheTopOfAChainIsOpenedForWriting) {
  const auto line = BuildCommandLine(LayeredRecord(), Q35(), LayeredSizes());
  ASSERT_THAT(line, IsOk());

  for (const PlannedImage& image : line->images) {
    EXPECT_EQ(image.writable, image.name == "top.qcow2") << image.name;
    EXPECT_EQ(image.max_bytes > 0, image.writable) << image.name;
  }
  std::map<std::string, nlohmann::json> nodes;
  for (size_t i = 0; i + 1 < line->argv.size(); ++i) {
    if (line->argv[i] != "-blockdev") continue;
    const auto node = nlohmann::json::parse(line->argv[i + 1]);
    EXPECT_EQ(node.contains("backing"), node["driver"] == "qcow2");
    EXPECT_EQ(node["read-only"], node["node-name"] != "disk0" &&
                                     node["node-name"] != "disk0-file" &&
                                     node["node-name"] != "disk2" &&
                                     node["node-name"] != "disk2-file");
    nodes[node["node-name"]] = node;
  }
  EXPECT_EQ(nodes["disk0"]["backing"], "disk0-layer0");
  EXPECT_EQ(nodes["disk0-layer0"]["backing"], "disk0-layer1");
  EXPECT_EQ(nodes["disk0-layer1"]["driver"], "raw");
  EXPECT_EQ(nodes["disk2"]["backing"], "disk2-base");
  EXPECT_EQ(nodes["disk2-base"]["backing"], "disk2-layer0");
}

TEST(CommandLineTest, AsManyVolumesAsThereMayBeFitIntoAPlan) {
  GuestRecord record = Record();
  record.spec.disks.clear();
  for (size_t i = 0; i < kMaxDisks; ++i) {
    DiskSpec disk = {{std::string(63, 'p'), absl::StrCat("top", i)},
                     DiskFormat::kQcow2,
                     DiskMode::kEphemeral,
                     std::string(20, 's')};
    for (size_t j = 1; j < kMaxDiskVolumes / kMaxDisks; ++j) {
      disk.backing.push_back(
          {{std::string(63, 'q'), absl::StrCat(std::string(60, 'v'), i, j)},
           DiskFormat::kQcow2});
    }
    record.spec.disks.push_back(disk);
  }
  record.spec.kernel_command_line = std::string(kMaxKernelCommandLine, 'a');
  DiskSize size = {1 << 20, 1 << 20};
  size.block_layers.resize(kMaxDiskVolumes / kMaxDisks - 1);
  const std::vector<DiskSize> sizes(kMaxDisks, size);

  const auto line = BuildCommandLine(record, Q35(), sizes);

  ASSERT_THAT(line, IsOk());
  LaunchPlan plan;
  plan.guest = record.id;
  plan.uid = record.uid;
  plan.argv = line->argv;
  plan.images = line->images;
  plan.overlays = line->overlays;
  plan.fds = line->fds;
  plan.ram_bytes = record.spec.memory_bytes;
  plan.limits = {64 << 20, 1000, 64};
  EXPECT_THAT(ValidatePlan(plan), IsOk());
}

TEST(CommandLineTest, EveryFileIsLockedAndNoGraphIsLeftToTheImage) {
  const auto line = BuildCommandLine(Record(), Q35(), Sizes());
  ASSERT_THAT(line, IsOk());
  int files = 0;
  int images = 0;
  for (size_t i = 0; i + 1 < line->argv.size(); ++i) {
    if (line->argv[i] != "-blockdev") continue;
    const auto node = nlohmann::json::parse(line->argv[i + 1]);
    EXPECT_EQ(node["auto-read-only"], false);
    if (node["driver"] == "file") {
      ++files;
      EXPECT_EQ(node["locking"], "on");
      EXPECT_TRUE(
          absl::StartsWith(node["filename"].get<std::string>(), "/dev/fdset/"));
    }
    if (node["driver"] == "qcow2") {
      ++images;
      EXPECT_TRUE(node.contains("backing"));
    }
  }
  EXPECT_EQ(files, 4);
  EXPECT_EQ(images, 2);
}

TEST(CommandLineTest, BlockDevicesAreDevicesToQemuAndLockedToo) {
  std::vector<DiskSize> sizes = Sizes();
  sizes[0].block_device = true;
  sizes[2].block_device = true;
  const auto line = BuildCommandLine(Record(), Q35(), sizes);
  ASSERT_THAT(line, IsOk());
  std::vector<std::string> devices;
  for (size_t i = 0; i + 1 < line->argv.size(); ++i) {
    if (line->argv[i] != "-blockdev") continue;
    const auto node = nlohmann::json::parse(line->argv[i + 1]);
    if (node["driver"] != "host_device") continue;
    devices.push_back(node["node-name"]);
    EXPECT_EQ(node["locking"], "on");
    EXPECT_EQ(node["auto-read-only"], false);
    EXPECT_EQ(node["read-only"], true);
  }
  // Not the overlay over the first, which is a file.
  EXPECT_THAT(devices, testing::ElementsAre("disk0-base-file", "disk2-file"));
}

TEST(CommandLineTest, ALayerMayBeABlockDevice) {
  std::vector<DiskSize> sizes = LayeredSizes();
  sizes[0].block_layers[1] = true;

  const auto line = BuildCommandLine(LayeredRecord(), Q35(), sizes);

  ASSERT_THAT(line, IsOk());
  EXPECT_THAT(line->argv,
              testing::Contains(testing::AllOf(
                  testing::HasSubstr("\"node-name\":\"disk0-layer1-file\""),
                  testing::HasSubstr("\"driver\":\"host_device\""))));
  sizes[0].block_layers.pop_back();
  EXPECT_THAT(BuildCommandLine(LayeredRecord(), Q35(), sizes),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(CommandLineTest, NoStringOfAClientChangesTheShape) {
  const auto plain = BuildCommandLine(Record(), Q35(), Sizes());
  ASSERT_THAT(plain, IsOk());
  for (const char* hostile :
       {",", ",,", "a,b=c", "-S", "\"", "\\", "{\"driver\":\"file\"}", "'; ls",
        "%s", "$(x)", "-append", "=", "id=ram,size=1", "file:/etc/passwd"}) {
    GuestRecord record = Record();
    record.spec.kernel_command_line = hostile;
    record.spec.labels["x"] = hostile;

    const auto line = BuildCommandLine(record, Q35(), Sizes());

    ASSERT_THAT(line, IsOk()) << hostile;
    ASSERT_EQ(line->argv.size(), plain->argv.size()) << hostile;
    int different = 0;
    for (size_t i = 0; i < line->argv.size(); ++i) {
      if (line->argv[i] == plain->argv[i]) continue;
      ++different;
      EXPECT_EQ(line->argv[i - 1], "-append");
      EXPECT_EQ(line->argv[i], hostile);
    }
    EXPECT_EQ(different, 1) << hostile;
  }
}

TEST(CommandLineTest, NoPathOfTheHostStandsInIt) {
  const auto line = BuildCommandLine(Record(), Q35(), Sizes());
  ASSERT_THAT(line, IsOk());
  for (size_t i = 1; i < line->argv.size(); ++i) {
    EXPECT_FALSE(absl::StrContains(line->argv[i], "root.qcow2"));
    EXPECT_FALSE(absl::StrContains(line->argv[i], "vmlinuz"));
    EXPECT_FALSE(absl::StartsWith(line->argv[i], "/") &&
                 !absl::StartsWith(line->argv[i], "/proc/self/fd/"))
        << line->argv[i];
  }
}

TEST(CommandLineTest, WhatIsNotValidMakesNoArguments) {
  GuestRecord record = Record();
  record.id = "web,process=evil";
  EXPECT_THAT(BuildCommandLine(record, Q35(), Sizes()),
              StatusIs(absl::StatusCode::kInvalidArgument));
  record = Record();
  record.uid = "x";
  EXPECT_THAT(BuildCommandLine(record, Q35(), Sizes()),
              StatusIs(absl::StatusCode::kInvalidArgument));
  record = Record();
  record.spec.disks[0].serial = "a,b";
  EXPECT_THAT(BuildCommandLine(record, Q35(), Sizes()),
              StatusIs(absl::StatusCode::kInvalidArgument));
  record = Record();
  record.spec.kernel_command_line = "a\nb";
  EXPECT_THAT(BuildCommandLine(record, Q35(), Sizes()),
              StatusIs(absl::StatusCode::kInvalidArgument));
  QemuTarget target = Q35();
  target.machine_type = "pc-q35-7.2,smm=on";
  EXPECT_THAT(BuildCommandLine(Record(), target, Sizes()),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(BuildCommandLine(Record(), Microvm(), Sizes()),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(BuildCommandLine(Record(), Q35(), {}),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(CommandLineTest, TheDefaultIsTheNewestVersionOfQ35) {
  EXPECT_EQ(DefaultMachineType({"microvm", "pc-q35-6.2", "q35", "pc-q35-10.0",
                                "pc-q35-7.2", "pc-i440fx-11.0", "none"}),
            "pc-q35-10.0");
  EXPECT_EQ(DefaultMachineType({"microvm", "q35"}), "");
}

TEST(CommandLineTest, ATypeIsResolvedOrRefused) {
  const std::vector<std::string> supported = {"microvm", "pc-q35-7.1",
                                              "pc-q35-7.2"};
  GuestSpec spec;
  EXPECT_THAT(ResolveMachineType(spec, supported), IsOkAndHolds("pc-q35-7.2"));
  spec.machine_type = "pc-q35-7.1";
  EXPECT_THAT(ResolveMachineType(spec, supported), IsOkAndHolds("pc-q35-7.1"));
  spec.machine_type = "pc-q35-99.0";
  const auto refused = ResolveMachineType(spec, supported);
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(refused, HasReason(reason::kMachineTypeUnsupported));
  spec.machine = Machine::kMicrovm;
  spec.machine_type = "";
  EXPECT_THAT(ResolveMachineType(spec, supported), IsOkAndHolds("microvm"));
  EXPECT_THAT(ResolveMachineType(spec, {}),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

}  // namespace
}  // namespace innkeeper
