#include "cli/command/launch_flags.h"

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "CLI/App.hpp"
#include "CLI/Validators.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "cli/command/command_set.h"
#include "cli/command/context_flags.h"
#include "cli/command/name_kind.h"
#include "cli/name.h"
#include "cli/value.h"
#include "innkeeper/v1/guests.pb.h"

namespace innkeeper {
namespace {

using Disk = v1::GuestSpec::Disk;
using NetworkInterface = v1::GuestSpec::NetworkInterface;

absl::Status Refusal(absl::string_view message) {
  return Error(absl::StatusCode::kInvalidArgument, reason::kInvalidRequest,
               message);
}

// Said to the service, which looks into nothing: a wrong name is refused.
Disk::Format FormatOf(absl::string_view volume) {
  return absl::EndsWith(volume, ".qcow2") ? Disk::QCOW2 : Disk::RAW;
}

// POOL/VOLUME[:raw|:qcow2]
absl::Status AddLayer(absl::string_view text, Disk* disk) {
  Disk::Layer* layer = disk->add_backing();
  absl::string_view volume = text;
  layer->set_format(FormatOf(volume));
  if (absl::ConsumeSuffix(&volume, ":raw")) layer->set_format(Disk::RAW);
  if (absl::ConsumeSuffix(&volume, ":qcow2")) layer->set_format(Disk::QCOW2);
  ASSIGN_OR_RETURN(*layer->mutable_volume(), VolumeName(volume));
  return absl::OkStatus();
}

absl::Status SetDiskOption(absl::string_view option, Disk* disk) {
  absl::string_view layer = option;
  if (absl::ConsumePrefix(&layer, "backing=")) return AddLayer(layer, disk);
  if (option == "format=raw") {
    disk->set_format(Disk::RAW);
  } else if (option == "format=qcow2") {
    disk->set_format(Disk::QCOW2);
  } else if (option == "mode=ro") {
    disk->set_mode(Disk::READ_ONLY);
  } else if (option == "mode=rw") {
    disk->set_mode(Disk::READ_WRITE);
  } else if (option == "mode=ephemeral") {
    disk->set_mode(Disk::EPHEMERAL);
  } else if (option == "device=disk") {
    disk->set_device(Disk::DISK);
  } else if (option == "device=cdrom") {
    disk->set_device(Disk::CDROM);
  } else {
    return Refusal(absl::StrCat(
        "'", option,
        "' is not one of format=raw, format=qcow2, mode=ro, mode=rw, "
        "mode=ephemeral, device=disk, device=cdrom, backing=POOL/VOLUME"));
  }
  return absl::OkStatus();
}

// POOL/VOLUME[,format=raw|qcow2][,mode=ro|rw|ephemeral][,device=disk|cdrom]
// [,backing=POOL/VOLUME[:raw|:qcow2]]...
absl::StatusOr<Disk> ParseDisk(absl::string_view text) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, ',');
  Disk disk;
  ASSIGN_OR_RETURN(*disk.mutable_volume(), VolumeName(parts[0]));
  disk.set_format(FormatOf(parts[0]));
  for (size_t i = 1; i < parts.size(); ++i) {
    RETURN_IF_ERROR(SetDiskOption(parts[i], &disk));
  }
  if (disk.mode() == Disk::MODE_UNSPECIFIED) {
    disk.set_mode(disk.device() == Disk::CDROM ? Disk::READ_ONLY
                                               : Disk::READ_WRITE);
  }
  return disk;
}

absl::Status SetNetworkOption(absl::string_view option, NetworkInterface* net) {
  int32_t queues = 0;
  if (absl::ConsumePrefix(&option, "mac=")) {
    net->set_mac_address(std::string(option));
  } else if (option == "model=virtio") {
    net->set_model(NetworkInterface::VIRTIO);
  } else if (option == "model=e1000e") {
    net->set_model(NetworkInterface::E1000E);
  } else if (absl::ConsumePrefix(&option, "address=")) {
    net->add_addresses(std::string(option));
  } else if (absl::ConsumePrefix(&option, "queues=") &&
             absl::SimpleAtoi(option, &queues)) {
    net->set_queue_count(queues);
  } else {
    return Refusal(absl::StrCat("'", option,
                                "' is not one of mac=ADDRESS, model=virtio, "
                                "model=e1000e, queues=N, address=ADDRESS"));
  }
  return absl::OkStatus();
}

// NAME[,mac=..][,model=virtio|e1000e][,queues=N][,address=..]...
absl::StatusOr<NetworkInterface> ParseNetwork(absl::string_view text) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, ',');
  NetworkInterface net;
  ASSIGN_OR_RETURN(*net.mutable_network(), FullName("networks", parts[0]));
  for (size_t i = 1; i < parts.size(); ++i) {
    RETURN_IF_ERROR(SetNetworkOption(parts[i], &net));
  }
  return net;
}

// Gathers what is wrong with several options.
class Faults {
 public:
  Faults()
      : error_(absl::StatusCode::kInvalidArgument, reason::kInvalidRequest,
               "options cannot be read") {}

  // The value, or a default one and a fault.
  template <typename T>
  T Take(absl::string_view option, absl::StatusOr<T> value) {
    if (value.ok()) return *std::move(value);
    error_.Field(option, value.status().message());
    any_ = true;
    return T();
  }
  absl::Status ToStatus() const {
    return any_ ? error_.Build() : absl::OkStatus();
  }

 private:
  Error error_;
  bool any_ = false;
};

CLI::Option* AddRepeated(CLI::App* app, const std::string& name,
                         std::vector<std::string>* values,
                         const std::string& description) {
  return app->add_option(name, *values, description)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

void SetSpec(const LaunchFlags& flags, Faults& faults, v1::GuestSpec* spec) {
  if (flags.machine == "q35") spec->set_machine(v1::GuestSpec::Q35);
  if (flags.machine == "microvm") spec->set_machine(v1::GuestSpec::MICROVM);
  if (flags.accel == "kvm") spec->set_acceleration(v1::GuestSpec::KVM);
  if (flags.accel == "tcg") spec->set_acceleration(v1::GuestSpec::TCG);
  spec->set_vcpu_count(flags.vcpus);
  spec->set_memory_bytes(faults.Take("--memory", ParseBytes(flags.memory)));
  for (const std::string& disk : flags.disks) {
    *spec->add_disks() = faults.Take("--disk", ParseDisk(disk));
  }
  for (const std::string& network : flags.networks) {
    *spec->add_networks() = faults.Take("--network", ParseNetwork(network));
  }
  if (!flags.kernel.empty()) {
    spec->set_kernel(faults.Take("--kernel", VolumeName(flags.kernel)));
  }
  if (!flags.initrd.empty()) {
    spec->set_initrd(faults.Take("--initrd", VolumeName(flags.initrd)));
  }
  spec->set_kernel_command_line(flags.append);
  if (flags.firmware == "uefi") spec->set_firmware(v1::GuestSpec::UEFI);
  if (flags.firmware == "uefi-secure-boot") {
    spec->set_firmware(v1::GuestSpec::UEFI_SECURE_BOOT);
  }
  spec->set_start_paused(flags.paused);
}

}  // namespace

void AddLaunchFlags(CommandSet& commands, CLI::App* app, LaunchFlags* flags) {
  app->add_option("--owner", flags->owner,
                  "Who it belongs to: you, if not given")
      ->type_name("USER");
  commands
      .Takes(NameKind::kHost,
             app->add_option("--host", flags->host,
                             "Where; the server places it if not given"))
      ->type_name("HOST");
  app->add_option("--vcpus", flags->vcpus, "Virtual processors")
      ->type_name("N")
      ->capture_default_str();
  app->add_option("--memory", flags->memory, "Memory, such as 512M or 2G")
      ->type_name("BYTES")
      ->capture_default_str();
  app->add_option("--machine", flags->machine, "q35 (default) or microvm")
      ->check(CLI::IsMember({"q35", "microvm"}))
      ->type_name("KIND");
  app->add_option("--accel", flags->accel, "auto (default), kvm or tcg")
      ->check(CLI::IsMember({"auto", "kvm", "tcg"}))
      ->type_name("KIND");
  AddRepeated(app, "--disk", &flags->disks,
              "A disk, repeatable: format=raw|qcow2 (default by the name's "
              "ending), mode=ro|rw|ephemeral (default rw), "
              "device=disk|cdrom (a cdrom is ro), and for each image beneath "
              "it, the next one first, backing=POOL/VOLUME[:raw|:qcow2]")
      ->type_name("POOL/VOLUME[,format=..][,mode=..][,device=..][,backing=..]");
  AddRepeated(app, "--network", &flags->networks,
              "An interface on a network, repeatable: mac=ADDRESS, "
              "model=virtio|e1000e, queues=N, address=ADDRESS (repeatable; the "
              "only ones that it may send from)")
      ->type_name("NETWORK[,mac=..][,model=..][,queues=..][,address=..]");
  app->add_option("--kernel", flags->kernel, "A Linux kernel to boot")
      ->type_name("POOL/VOLUME");
  app->add_option("--initrd", flags->initrd, "Its initial RAM disk")
      ->type_name("POOL/VOLUME");
  app->add_option("--append", flags->append, "Its command line")
      ->type_name("TEXT");
  app->add_option("--firmware", flags->firmware,
                  "bios (default), uefi or uefi-secure-boot")
      ->check(CLI::IsMember({"bios", "uefi", "uefi-secure-boot"}))
      ->type_name("KIND");
  AddRepeated(app, "--label", &flags->labels, "A label, repeatable")
      ->type_name("KEY=VALUE");
  AddRepeated(app, "--host-label", &flags->host_labels,
              "Only hosts with this label, repeatable")
      ->type_name("KEY=VALUE");
  commands
      .Takes(NameKind::kContext, app->add_option("--context", flags->context,
                                                 "The context to run in"))
      ->type_name("CONTEXT");
  app->add_option("--context-file", flags->context_file,
                  "Parts on top of it, a ContextSpec in JSON; - is standard "
                  "input")
      ->type_name("FILE");
  app->add_flag("--paused", flags->paused, "Leave it paused once it is there");
}

absl::StatusOr<v1::LaunchGuestRequest> ToLaunchRequest(const LaunchFlags& flags,
                                                       int input) {
  Faults faults;
  v1::LaunchGuestRequest request;
  absl::string_view id = flags.name;
  absl::ConsumePrefix(&id, "guests/");
  request.set_guest_id(std::string(id));
  if (!flags.owner.empty()) {
    request.mutable_guest()->set_owner(
        faults.Take("--owner", OwnerName(flags.owner)));
  }
  if (!flags.host.empty()) {
    request.set_host(faults.Take("--host", FullName("hosts", flags.host)));
  }
  SetSpec(flags, faults, request.mutable_guest()->mutable_spec());
  v1::GuestSpec* const spec = request.mutable_guest()->mutable_spec();
  if (!flags.context.empty()) {
    spec->set_context(
        faults.Take("--context", FullName("contexts", flags.context)));
  }
  if (!flags.context_file.empty()) {
    RETURN_IF_ERROR(
        ReadJsonFile(flags.context_file, input, spec->mutable_context_parts()));
  }
  for (const auto& [key, value] :
       faults.Take("--label", ParseLabels(flags.labels))) {
    (*request.mutable_guest()->mutable_labels())[key] = value;
  }
  for (const auto& [key, value] :
       faults.Take("--host-label", ParseLabels(flags.host_labels))) {
    (*request.mutable_host_labels())[key] = value;
  }
  RETURN_IF_ERROR(faults.ToStatus());
  return request;
}

}  // namespace innkeeper
