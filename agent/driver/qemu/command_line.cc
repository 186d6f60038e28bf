#include "agent/driver/qemu/command_line.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "agent/context/context_spec.h"
#include "agent/guest/guest_record.h"
#include "agent/guest/guest_spec.h"
#include "agent/guest/network_spec.h"
#include "agent/launch/launch_context.h"
#include "agent/launch/launch_plan.h"
#include "base/error.h"
#include "base/net_address.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "base/uuid.h"
#include "nlohmann/json.hpp"

namespace innkeeper {
namespace {

using ::nlohmann::json;

constexpr absl::string_view kQ35Prefix = "pc-q35-";
constexpr int64_t kSector = 512;
// pcie-root-ports share a slot by eights, from this slot on.
constexpr int kFirstPortSlot = 2;

absl::Status Invalid(absl::string_view what) {
  return Error(absl::StatusCode::kInvalidArgument, reason::kInvalidRequest,
               what);
}

// Numbers of "pc-q35-7.2"; empty for any other name.
std::vector<int> VersionOf(absl::string_view type) {
  std::vector<int> version;
  if (!absl::ConsumePrefix(&type, kQ35Prefix)) return version;
  for (const absl::string_view part : absl::StrSplit(type, '.')) {
    int number = 0;
    if (!absl::SimpleAtoi(part, &number) || number < 0) return {};
    version.push_back(number);
  }
  return version;
}

// All four classes are always there, each denied unless it is in `allowed`.
std::string SandboxValue(const std::vector<SeccompClass>& allowed) {
  constexpr struct {
    SeccompClass which;
    absl::string_view name;
  } kClasses[] = {{SeccompClass::kObsolete, "obsolete"},
                  {SeccompClass::kElevatePrivileges, "elevateprivileges"},
                  {SeccompClass::kSpawn, "spawn"},
                  {SeccompClass::kResourceControl, "resourcecontrol"}};
  std::string value = "on";
  for (const auto& [which, name] : kClasses) {
    const bool allow =
        std::find(allowed.begin(), allowed.end(), which) != allowed.end();
    absl::StrAppend(&value, ",", name, "=", allow ? "allow" : "deny");
  }
  return value;
}

// Writes one command line, part by part.
class Builder {
 public:
  Builder(const GuestRecord& record, const QemuTarget& target,
          const std::vector<DiskSize>& sizes)
      : record_(record),
        spec_(record.spec),
        target_(target),
        sizes_(sizes),
        q35_(record.spec.machine == Machine::kQ35) {}

  CommandLine Build() {
    AddProcess();
    AddMachine();
    AddSockets();
    AddKernel();
    AddPorts();
    AddJson("-object", {{"qom-type", "rng-builtin"}, {"id", "rng"}});
    AddVirtio("virtio-rng", {{"id", "rng0"}, {"rng", "rng"}});
    for (size_t i = 0; i < spec_.disks.size(); ++i) AddDisk(i);
    for (size_t i = 0; i < spec_.networks.size(); ++i) AddNetwork(i);
    AddFirmware();
    return std::move(line_);
  }

 private:
  void Add(absl::string_view option, absl::string_view value) {
    line_.argv.emplace_back(option);
    line_.argv.emplace_back(value);
  }
  void AddJson(absl::string_view option, const json& value) {
    Add(option, value.dump(-1, ' ', true, json::error_handler_t::replace));
  }

  int AddFd(FdKind kind, int index = 0) {
    const int number = kFirstFdNumber + static_cast<int>(line_.fds.size());
    line_.fds.push_back({number, kind, index});
    return number;
  }
  // `max_bytes`: 0 for an image that is not writable.
  int AddImage(const VolumeName& volume, int64_t max_bytes) {
    line_.images.push_back(
        {volume.pool, volume.volume, max_bytes > 0, max_bytes});
    return AddFd(FdKind::kImage, static_cast<int>(line_.images.size()) - 1);
  }

  void AddProcess() {
    line_.argv = {target_.binary, "-nodefaults", "-no-user-config", "-S"};
    Add("-display", "none");
    Add("-sandbox", SandboxValue(target_.allowed_seccomp_classes));
    Add("-name", absl::StrCat("guest=", record_.id, ",debug-threads=on"));
    Add("-uuid", record_.uid);
  }

  void AddMachine() {
    const int ram = AddFd(FdKind::kRam);
    AddJson("-object", {{"qom-type", "memory-backend-file"},
                        {"id", "ram"},
                        {"size", spec_.memory_bytes},
                        {"mem-path", absl::StrCat("/proc/self/fd/", ram)},
                        {"share", true}});
    // microvm: ACPI tells the guest of its disks and of the power button. Its
    // own serial port is off, because the one below is there on either machine.
    Add("-machine",
        absl::StrCat(target_.machine_type,
                     ",memory-backend=ram,usb=off,dump-guest-core=off",
                     q35_ ? "" : ",acpi=on,pcie=off,rtc=on,isa-serial=off",
                     FirmwareOptions()));
    const bool kvm = target_.accel == Accel::kKvm;
    Add("-accel", kvm ? "kvm" : "tcg");
    Add("-cpu", kvm ? "host" : "max");
    Add("-smp", absl::StrCat("cpus=", spec_.vcpu_count));
    Add("-m", absl::StrCat("size=", spec_.memory_bytes >> 20, "M"));
  }

  bool uefi() const { return spec_.firmware != Firmware::kBios; }
  bool secure_boot() const {
    return spec_.firmware == Firmware::kUefiSecureBoot;
  }

  // What -machine and the flash chips need to be told of UEFI. Under secure
  // boot only code in system management mode may write variables: otherwise the
  // guest's kernel could give itself any key.
  std::string FirmwareOptions() const {
    if (!uefi()) return "";
    return absl::StrCat(",pflash0=firmware-code,pflash1=firmware-variables",
                        secure_boot() ? ",smm=on" : "");
  }

  // After the disks, whose sets of descriptors are numbered from 1.
  void AddFirmware() {
    if (!uefi()) return;
    line_.firmware = secure_boot() ? PlannedFirmware::kUefiSecureBoot
                                   : PlannedFirmware::kUefi;
    AddFile("firmware-code-file", AddFd(FdKind::kFirmwareCode), true);
    AddFormat("firmware-code", DiskFormat::kRaw, "firmware-code-file", true,
              nullptr);
    AddFile("firmware-variables-file", AddFd(FdKind::kFirmwareVariables),
            false);
    AddFormat("firmware-variables", DiskFormat::kRaw, "firmware-variables-file",
              false, nullptr);
    if (!secure_boot()) return;
    Add("-global", "driver=cfi.pflash01,property=secure,value=on");
    // A kernel that wakes up from S3 would find the flash chips open.
    Add("-global", "ICH9-LPC.disable_s3=1");
  }

  void AddSockets() {
    Add("-chardev",
        absl::StrCat("socket,id=console,fd=", AddFd(FdKind::kConsole)));
    AddJson(
        "-device",
        {{"driver", "isa-serial"}, {"id", "serial0"}, {"chardev", "console"}});
    AddMonitor("qmp", FdKind::kQmp);
    AddMonitor("qmp2", FdKind::kBreakGlass);
  }

  void AddMonitor(absl::string_view id, FdKind kind) {
    Add("-chardev", absl::StrCat("socket,id=", id, ",fd=", AddFd(kind),
                                 ",server=on,wait=off"));
    Add("-mon", absl::StrCat("chardev=", id, ",mode=control"));
  }

  // QEMU opens these by name with fopen(3), for which -add-fd does not work;
  // the name is opened anew, so the file's mode must let the guest's uid read.
  void AddKernel() {
    if (!spec_.kernel.has_value()) return;
    Add("-kernel", absl::StrCat("/proc/self/fd/", AddImage(*spec_.kernel, 0)));
    if (spec_.initrd.has_value()) {
      Add("-initrd",
          absl::StrCat("/proc/self/fd/", AddImage(*spec_.initrd, 0)));
    }
    std::string append = spec_.kernel_command_line;
    // A microvm without KVM's clock has nothing to measure the TSC against, and
    // Linux waits for ever.
    if (!q35_ && target_.accel == Accel::kTcg &&
        !absl::StrContains(append, "tsc_early_khz=")) {
      absl::StrAppend(&append, append.empty() ? "" : " ",
                      "tsc_early_khz=2000000");
    }
    Add("-append", append);
  }

  // A port for each device, so that each could be unplugged.
  void AddPorts() {
    if (!q35_) return;
    int ports = 1 + static_cast<int>(spec_.networks.size());
    for (const DiskSpec& disk : spec_.disks) {
      if (disk.device == DiskDevice::kDisk) ++ports;
    }
    for (int i = 0; i < ports; ++i) {
      AddJson("-device",
              {{"driver", "pcie-root-port"},
               {"id", absl::StrCat("port", i)},
               {"bus", "pcie.0"},
               {"chassis", i + 1},
               {"port", i},
               {"addr", absl::StrCat(kFirstPortSlot + i / 8, ".", i % 8)},
               {"multifunction", i % 8 == 0}});
    }
  }

  // Without a ROM: what the firmware would load from the network starts no
  // guest here.
  void AddNetwork(size_t index) {
    const NetworkSpec& network = spec_.networks[index];
    const MacAddress mac = MacOf(network, record_.uid, index);
    PlannedTap& tap = line_.taps.emplace_back();
    tap.network = network.network;
    tap.mac = mac;
    tap.queue_count = network.queue_count;
    for (const std::string& address : network.addresses) {
      tap.addresses.push_back(ParseIp(address).value_or(""));
    }
    std::vector<int> fds;
    for (int i = 0; i < network.queue_count; ++i) {
      fds.push_back(AddFd(FdKind::kTapQueue, queues_++));
    }
    const std::string id = absl::StrCat("net", index);
    Add("-netdev", absl::StrCat("tap,id=", id,
                                ",vhost=off,fds=", absl::StrJoin(fds, ":")));
    json device = {{"id", absl::StrCat("dev-", id)},
                   {"netdev", id},
                   {"mac", FormatMac(mac)}};
    if (q35_) device["romfile"] = "";
    if (network.model == NicModel::kE1000e) {
      device["driver"] = "e1000e";
      device["bus"] = absl::StrCat("port", next_port_++);
      return AddJson("-device", device);
    }
    if (network.queue_count > 1) {
      device["mq"] = true;
      // Two for each pair of queues, one for control, one for configuration.
      if (q35_) device["vectors"] = 2 * network.queue_count + 2;
    }
    AddVirtio("virtio-net", std::move(device));
  }

  // At the next port.
  void AddVirtio(absl::string_view driver, json device) {
    device["driver"] = absl::StrCat(driver, q35_ ? "-pci" : "-device");
    if (q35_) device["bus"] = absl::StrCat("port", next_port_++);
    AddJson("-device", device);
  }

  // A node for the bytes of descriptor `fd`. Locks are asked for by name: where
  // QEMU may choose, it may choose none.
  void AddFile(absl::string_view node, int fd, bool read_only,
               bool block_device = false) {
    const int set = ++sets_;
    Add("-add-fd", absl::StrCat("fd=", fd, ",set=", set));
    AddJson("-blockdev", {{"driver", block_device ? "host_device" : "file"},
                          {"node-name", std::string(node)},
                          {"filename", absl::StrCat("/dev/fdset/", set)},
                          {"locking", "on"},
                          {"read-only", read_only},
                          {"auto-read-only", false},
                          {"discard", "unmap"}});
  }

  // `backing` is a node's name or null: never what the image says. A raw image
  // has none.
  void AddFormat(absl::string_view node, DiskFormat format,
                 absl::string_view file, bool read_only, const json& backing) {
    json block = {{"driver", std::string(ToString(format))},
                  {"node-name", std::string(node)},
                  {"file", std::string(file)},
                  {"read-only", read_only},
                  {"auto-read-only", false},
                  {"discard", "unmap"}};
    if (format == DiskFormat::kQcow2) block["backing"] = backing;
    AddJson("-blockdev", block);
  }

  // The nodes of what lies beneath a disk, the lowest first. Returns the top
  // one's name; null if there is none.
  json AddLayers(const DiskSpec& disk, const DiskSize& size,
                 const std::string& top) {
    json beneath;
    for (size_t i = disk.backing.size(); i-- > 0;) {
      const LayerSpec& layer = disk.backing[i];
      const std::string node = absl::StrCat(top, "-layer", i);
      const std::string file = absl::StrCat(node, "-file");
      AddFile(file, AddImage(layer.volume, 0), true, size.block_layers[i]);
      AddFormat(node, layer.format, file, true, beneath);
      beneath = node;
    }
    return beneath;
  }

  void AddDisk(size_t index) {
    const DiskSpec& disk = spec_.disks[index];
    const bool ephemeral = disk.mode == DiskMode::kEphemeral;
    const bool writable = disk.mode == DiskMode::kReadWrite;
    const std::string top = absl::StrCat("disk", index);
    const std::string base = ephemeral ? absl::StrCat(top, "-base") : top;
    const json beneath = AddLayers(disk, sizes_[index], top);
    AddFile(absl::StrCat(base, "-file"),
            AddImage(disk.volume, writable ? sizes_[index].max_file_bytes : 0),
            !writable, sizes_[index].block_device);
    AddFormat(base, disk.format, absl::StrCat(base, "-file"), !writable,
              beneath);
    if (ephemeral) {
      const int64_t bytes = sizes_[index].virtual_bytes;
      line_.overlays.push_back({(bytes + kSector - 1) / kSector * kSector});
      const int overlay =
          AddFd(FdKind::kOverlay, static_cast<int>(line_.overlays.size()) - 1);
      AddFile(absl::StrCat(top, "-file"), overlay, false);
      AddFormat(top, DiskFormat::kQcow2, absl::StrCat(top, "-file"), false,
                base);
    }
    json device = {{"id", absl::StrCat("dev-", top)},
                   {"drive", top},
                   {"bootindex", index + 1}};
    if (!disk.serial.empty()) device["serial"] = disk.serial;
    if (disk.device == DiskDevice::kCdrom) {
      device["driver"] = "ide-cd";
      device["bus"] = absl::StrCat("ide.", next_ide_++);
      AddJson("-device", device);
    } else {
      AddVirtio("virtio-blk", std::move(device));
    }
  }

  const GuestRecord& record_;
  const GuestSpec& spec_;
  const QemuTarget& target_;
  const std::vector<DiskSize>& sizes_;
  const bool q35_;
  int sets_ = 0;
  int queues_ = 0;  // Of all taps so far.
  int next_port_ = 0;
  int next_ide_ = 0;
  CommandLine line_;
};

}  // namespace

absl::StatusOr<CommandLine> BuildCommandLine(
    const GuestRecord& record, const QemuTarget& target,
    const std::vector<DiskSize>& sizes) {
  if (!IsGuestId(record.id)) return Invalid("the guest's id is not valid");
  if (!IsUuid(record.uid)) return Invalid("the guest's uid is no UUID");
  // The resolved type obeys the grammar of an asked one.
  GuestSpec resolved = record.spec;
  resolved.machine_type = target.machine_type;
  RETURN_IF_ERROR(ValidateGuestSpec(resolved, "spec"));
  if (target.machine_type.empty()) return Invalid("no machine type is chosen");
  if (target.accel == Accel::kAuto) return Invalid("no accel is chosen");
  if (sizes.size() != record.spec.disks.size()) {
    return Invalid("each disk needs its size");
  }
  for (size_t i = 0; i < sizes.size(); ++i) {
    const DiskSpec& disk = record.spec.disks[i];
    const bool writable = disk.mode == DiskMode::kReadWrite;
    if (sizes[i].block_layers.size() != disk.backing.size()) {
      return Invalid("each layer needs its kind");
    }
    if (sizes[i].virtual_bytes < 0 ||
        sizes[i].virtual_bytes > kMaxOverlayBytes ||
        sizes[i].max_file_bytes < (writable ? 1 : 0) ||
        sizes[i].max_file_bytes > kMaxImageBytes) {
      return Invalid("a disk's size is out of bounds");
    }
  }
  return Builder(record, target, sizes).Build();
}

std::string DefaultMachineType(const std::vector<std::string>& supported) {
  std::string best;
  for (const std::string& type : supported) {
    const std::vector<int> version = VersionOf(type);
    if (!version.empty() && VersionOf(best) < version) best = type;
  }
  return best;
}

absl::StatusOr<std::string> ResolveMachineType(
    const GuestSpec& spec, const std::vector<std::string>& supported) {
  std::string wanted = spec.machine_type;
  if (wanted.empty()) {
    wanted = spec.machine == Machine::kMicrovm ? "microvm"
                                               : DefaultMachineType(supported);
  }
  if (!wanted.empty() && std::find(supported.begin(), supported.end(),
                                   wanted) != supported.end()) {
    return wanted;
  }
  const std::string message = absl::StrCat(
      "this host's QEMU has no machine type '", wanted.empty() ? "q35" : wanted,
      "'; leave machine_type empty for its default, or take one of: ",
      absl::StrJoin(supported, ", ").substr(0, 500));
  return Error(absl::StatusCode::kFailedPrecondition,
               reason::kMachineTypeUnsupported, message)
      .With("machine_type", wanted)
      .Precondition(reason::kMachineTypeUnsupported, wanted, message);
}

}  // namespace innkeeper
