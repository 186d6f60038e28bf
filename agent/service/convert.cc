#include "agent/service/convert.h"

#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/context/context_record.h"
#include "agent/guest/guest_name.h"
#include "agent/guest/guest_spec.h"
#include "agent/guest/network_spec.h"
#include "agent/guest/volume_name.h"
#include "agent/service/context_convert.h"
#include "agent/service/convert_network.h"
#include "agent/store/guest_record_codec.h"
#include "agent/supervisor/guest_event.h"
#include "auth/principal.h"
#include "base/error.h"
#include "base/reason.h"
#include "rpc/timestamp.h"

namespace innkeeper {
namespace {

v1::Guest::State ToState(GuestState state) {
  switch (state) {
    case GuestState::kStarting:
      return v1::Guest::STARTING;
    case GuestState::kRunning:
      return v1::Guest::RUNNING;
    case GuestState::kPaused:
      return v1::Guest::PAUSED;
    case GuestState::kStopping:
      return v1::Guest::STOPPING;
    case GuestState::kStopped:
      return v1::Guest::STOPPED;
    case GuestState::kFailed:
      return v1::Guest::FAILED;
  }
  return v1::Guest::STATE_UNSPECIFIED;
}

v1::GuestSpec::Disk::Format ToFormat(DiskFormat format) {
  return format == DiskFormat::kRaw ? v1::GuestSpec::Disk::RAW
                                    : v1::GuestSpec::Disk::QCOW2;
}

v1::GuestSpec ToSpec(const GuestSpec& spec) {
  v1::GuestSpec message;
  message.set_machine(spec.machine == Machine::kMicrovm ? v1::GuestSpec::MICROVM
                                                        : v1::GuestSpec::Q35);
  if (spec.accel == Accel::kKvm) message.set_acceleration(v1::GuestSpec::KVM);
  if (spec.accel == Accel::kTcg) message.set_acceleration(v1::GuestSpec::TCG);
  message.set_vcpu_count(spec.vcpu_count);
  message.set_memory_bytes(spec.memory_bytes);
  for (const DiskSpec& disk : spec.disks) {
    v1::GuestSpec::Disk* added = message.add_disks();
    added->set_volume(disk.volume.ToString());
    added->set_format(ToFormat(disk.format));
    switch (disk.mode) {
      case DiskMode::kReadOnly:
        added->set_mode(v1::GuestSpec::Disk::READ_ONLY);
        break;
      case DiskMode::kReadWrite:
        added->set_mode(v1::GuestSpec::Disk::READ_WRITE);
        break;
      case DiskMode::kEphemeral:
        added->set_mode(v1::GuestSpec::Disk::EPHEMERAL);
        break;
    }
    for (const LayerSpec& layer : disk.backing) {
      v1::GuestSpec::Disk::Layer* beneath = added->add_backing();
      beneath->set_volume(layer.volume.ToString());
      beneath->set_format(ToFormat(layer.format));
    }
    if (disk.device == DiskDevice::kCdrom) {
      added->set_device(v1::GuestSpec::Disk::CDROM);
    }
  }
  for (const NetworkSpec& network : spec.networks) {
    *message.add_networks() = ToNetworkInterface(network);
  }
  if (spec.kernel.has_value()) message.set_kernel(spec.kernel->ToString());
  if (spec.initrd.has_value()) message.set_initrd(spec.initrd->ToString());
  message.set_kernel_command_line(spec.kernel_command_line);
  message.set_start_paused(spec.start_paused);
  if (!spec.context.empty()) message.set_context(ToContextName(spec.context));
  if (!spec.context_parts.empty()) {
    *message.mutable_context_parts() = ToContextSpec(spec.context_parts);
  }
  if (spec.firmware == Firmware::kUefi) {
    message.set_firmware(v1::GuestSpec::UEFI);
  } else if (spec.firmware == Firmware::kUefiSecureBoot) {
    message.set_firmware(v1::GuestSpec::UEFI_SECURE_BOOT);
  }
  return message;
}

void ParseVolume(const std::string& name, const std::string& field,
                 VolumeName* volume, std::vector<FieldViolation>* faults) {
  absl::StatusOr<VolumeName> parsed = ParseVolumeName(name, field);
  if (parsed.ok()) {
    *volume = *std::move(parsed);
    return;
  }
  const ErrorDetails details = DetailsOf(parsed.status());
  if (details.fields.empty()) {
    faults->push_back({field, std::string(parsed.status().message())});
  }
  for (const FieldViolation& fault : details.fields) faults->push_back(fault);
}

DiskFormat ParseFormat(v1::GuestSpec::Disk::Format format,
                       const std::string& field,
                       std::vector<FieldViolation>* faults) {
  switch (format) {
    case v1::GuestSpec::Disk::RAW:
      return DiskFormat::kRaw;
    case v1::GuestSpec::Disk::QCOW2:
      return DiskFormat::kQcow2;
    default:
      faults->push_back({field, "must be RAW or QCOW2; it is never guessed"});
      return DiskFormat::kQcow2;
  }
}

DiskSpec ParseDisk(const v1::GuestSpec::Disk& disk, const std::string& field,
                   std::vector<FieldViolation>* faults) {
  DiskSpec spec;
  ParseVolume(disk.volume(), absl::StrCat(field, ".volume"), &spec.volume,
              faults);
  spec.format =
      ParseFormat(disk.format(), absl::StrCat(field, ".format"), faults);
  switch (disk.mode()) {
    case v1::GuestSpec::Disk::READ_ONLY:
      spec.mode = DiskMode::kReadOnly;
      break;
    case v1::GuestSpec::Disk::READ_WRITE:
      spec.mode = DiskMode::kReadWrite;
      break;
    case v1::GuestSpec::Disk::EPHEMERAL:
      spec.mode = DiskMode::kEphemeral;
      break;
    default:
      faults->push_back({absl::StrCat(field, ".mode"),
                         "must be READ_ONLY, READ_WRITE or EPHEMERAL"});
  }
  for (int i = 0; i < disk.backing_size(); ++i) {
    const std::string part = absl::StrCat(field, ".backing[", i, "]");
    LayerSpec& layer = spec.backing.emplace_back();
    ParseVolume(disk.backing(i).volume(), absl::StrCat(part, ".volume"),
                &layer.volume, faults);
    layer.format = ParseFormat(disk.backing(i).format(),
                               absl::StrCat(part, ".format"), faults);
  }
  switch (disk.device()) {
    case v1::GuestSpec::Disk::DEVICE_UNSPECIFIED:
    case v1::GuestSpec::Disk::DISK:
      break;
    case v1::GuestSpec::Disk::CDROM:
      spec.device = DiskDevice::kCdrom;
      break;
    default:
      faults->push_back(
          {absl::StrCat(field, ".device"), "must be DISK or CDROM"});
  }
  return spec;
}

Firmware ParseFirmware(v1::GuestSpec::Firmware firmware,
                       const std::string& prefix,
                       std::vector<FieldViolation>* faults) {
  switch (firmware) {
    case v1::GuestSpec::FIRMWARE_UNSPECIFIED:
    case v1::GuestSpec::BIOS:
      return Firmware::kBios;
    case v1::GuestSpec::UEFI:
      return Firmware::kUefi;
    case v1::GuestSpec::UEFI_SECURE_BOOT:
      return Firmware::kUefiSecureBoot;
    default:
      faults->push_back({absl::StrCat(prefix, ".firmware"),
                         "must be BIOS, UEFI or UEFI_SECURE_BOOT"});
      return Firmware::kBios;
  }
}

// What the API can say and no agent can do yet is refused, never left out.
void RefuseWhatIsNotHere(const v1::GuestSpec& message,
                         const std::string& prefix,
                         std::vector<FieldViolation>* faults) {
  const auto refuse = [&](absl::string_view field, absl::string_view what) {
    faults->push_back({absl::StrCat(prefix, ".", field),
                       absl::StrCat("must be ", what,
                                    ": this agent can do nothing else yet")});
  };
  if (message.tpm() != v1::GuestSpec::TPM_UNSPECIFIED &&
      message.tpm() != v1::GuestSpec::NONE) {
    refuse("tpm", "NONE");
  }
}

}  // namespace

v1::Guest ToGuest(const GuestRecord& record, const std::string& host,
                  bool unresponsive, const std::string& operation) {
  v1::Guest guest;
  guest.set_name(ToGuestName(record.id));
  guest.set_uid(record.uid);
  guest.set_owner(record.owner);
  for (const auto& [key, value] : record.spec.labels) {
    (*guest.mutable_labels())[key] = value;
  }
  *guest.mutable_spec() = ToSpec(record.spec);
  if (!record.spec.effective_context.empty()) {
    *guest.mutable_effective_context() =
        ToContextSpec(record.spec.effective_context);
  }
  guest.set_host(host);
  guest.set_origin(v1::Guest::LAUNCHED);
  guest.set_state(ToState(record.state));
  guest.set_state_message(record.state_reason);
  *guest.mutable_create_time() = ToTimestamp(record.create_time);
  if (record.start_time.has_value()) {
    *guest.mutable_start_time() = ToTimestamp(*record.start_time);
  }
  *guest.mutable_observe_time() = ToTimestamp(record.update_time);
  *guest.mutable_update_time() = ToTimestamp(record.update_time);
  guest.set_unresponsive(unresponsive);
  if (record.process.has_value()) {
    v1::Guest::Process* process = guest.mutable_process();
    process->set_pid(record.process->pid);
    process->set_unix_uid(record.process->unix_uid);
    process->set_unix_gid(record.process->unix_gid);
    process->set_start_time_ticks(
        static_cast<int64_t>(record.process->start_time_ticks));
    process->set_boot_id(record.process->boot_id);
  }
  if (record.exit.has_value()) {
    v1::Guest::Exit* exit = guest.mutable_exit();
    if (record.exit->kind == ExitKind::kExited) {
      exit->set_status(record.exit->value);
    }
    if (record.exit->kind == ExitKind::kSignaled) {
      exit->set_signal(record.exit->value);
    }
    *exit->mutable_time() = ToTimestamp(record.exit->time);
  }
  guest.set_machine_type(record.resolved_machine_type);
  if (record.accel_used != Accel::kAuto) {
    guest.set_acceleration(std::string(ToString(record.accel_used)));
  }
  guest.set_acceleration_reason(record.accel_reason);
  guest.set_requested_by(record.requested_by);
  guest.set_operation(operation);
  guest.set_etag(record.etag);
  return guest;
}

GuestSpec ParseSpec(const v1::Guest& guest, const std::string& prefix,
                    std::vector<FieldViolation>* faults) {
  const v1::GuestSpec& message = guest.spec();
  GuestSpec spec;
  switch (message.machine()) {
    case v1::GuestSpec::MACHINE_UNSPECIFIED:
    case v1::GuestSpec::Q35:
      spec.machine = Machine::kQ35;
      break;
    case v1::GuestSpec::MICROVM:
      spec.machine = Machine::kMicrovm;
      break;
    default:
      faults->push_back(
          {absl::StrCat(prefix, ".machine"), "must be Q35 or MICROVM"});
  }
  switch (message.acceleration()) {
    case v1::GuestSpec::ACCELERATION_UNSPECIFIED:
      spec.accel = Accel::kAuto;
      break;
    case v1::GuestSpec::KVM:
      spec.accel = Accel::kKvm;
      break;
    case v1::GuestSpec::TCG:
      spec.accel = Accel::kTcg;
      break;
    default:
      faults->push_back(
          {absl::StrCat(prefix, ".acceleration"), "must be KVM or TCG"});
  }
  RefuseWhatIsNotHere(message, prefix, faults);
  spec.vcpu_count = message.vcpu_count();
  spec.memory_bytes = message.memory_bytes();
  for (int i = 0; i < message.disks_size(); ++i) {
    spec.disks.push_back(ParseDisk(
        message.disks(i), absl::StrCat(prefix, ".disks[", i, "]"), faults));
  }
  for (int i = 0; i < message.networks_size(); ++i) {
    spec.networks.push_back(ParseNetworkInterface(
        message.networks(i), absl::StrCat(prefix, ".networks[", i, "]"),
        faults));
  }
  if (!message.kernel().empty()) {
    ParseVolume(message.kernel(), absl::StrCat(prefix, ".kernel"),
                &spec.kernel.emplace(), faults);
  }
  if (!message.initrd().empty()) {
    ParseVolume(message.initrd(), absl::StrCat(prefix, ".initrd"),
                &spec.initrd.emplace(), faults);
  }
  spec.kernel_command_line = message.kernel_command_line();
  spec.start_paused = message.start_paused();
  ParseSpecContext(message, prefix, &spec, faults);
  spec.firmware = ParseFirmware(message.firmware(), prefix, faults);
  for (const auto& [key, value] : guest.labels()) spec.labels[key] = value;
  return spec;
}

absl::StatusOr<GuestRecord> ParseLaunch(const v1::LaunchGuestRequest& request,
                                        const std::string& uid,
                                        const std::string& default_owner) {
  std::vector<FieldViolation> faults;
  GuestRecord record;
  record.id = request.guest_id();
  record.uid = uid;
  record.owner =
      request.guest().owner().empty() ? default_owner : request.guest().owner();
  if (!IsGuestId(record.id)) {
    faults.push_back(
        {"guest_id", "must match [a-z]([a-z0-9-]{0,61}[a-z0-9])?"});
  }
  const absl::StatusOr<Principal> owner = Principal::Parse(record.owner);
  if (!owner.ok() || owner->kind() != PrincipalKind::kUser) {
    faults.push_back({"guest.owner",
                      absl::StrCat("must be user/NAME, not '", record.owner,
                                   "'; name the user that the guest is for")});
  }
  record.spec = ParseSpec(request.guest(), "guest.spec", &faults);
  // A field that did not parse holds a default, which must not be blamed twice.
  for (const FieldViolation& fault : FindFaults(record.spec, "guest.spec")) {
    bool known = false;
    for (const FieldViolation& other : faults) {
      known = known ||
              absl::string_view(fault.field).substr(0, other.field.size()) ==
                  other.field;
    }
    if (!known) faults.push_back(fault);
  }
  if (faults.empty()) return record;
  Error error(absl::StatusCode::kInvalidArgument, reason::kInvalidRequest,
              absl::StrCat("the launch has ", faults.size(),
                           faults.size() == 1 ? " fault: " : " faults: ",
                           faults[0].field, ": ", faults[0].description));
  for (const FieldViolation& fault : faults) {
    error.Field(fault.field, fault.description);
  }
  return error.Build();
}

absl::StatusOr<google::longrunning::Operation> ToOperation(
    const OperationRecord& record) {
  google::longrunning::Operation operation;
  operation.set_name(record.name);
  operation.set_done(record.done);
  const bool parsed =
      (record.metadata.empty() ||
       operation.mutable_metadata()->ParseFromString(record.metadata)) &&
      (record.error.empty() ||
       operation.mutable_error()->ParseFromString(record.error)) &&
      (!record.done || !record.error.empty() ||
       operation.mutable_response()->ParseFromString(record.result));
  if (!parsed) {
    return Error(absl::StatusCode::kDataLoss, reason::kInternal,
                 absl::StrCat("the record of ", record.name, " is damaged"))
        .With("operation", record.name)
        .Build();
  }
  return operation;
}

v1::Event ToEvent(const EventRecord& record, const std::string& host,
                  int64_t epoch) {
  const GuestEventPayload payload = ParseEventPayload(record.payload);
  v1::Event event;
  event.set_host(host);
  event.set_epoch(absl::StrCat(epoch));
  event.set_sequence(record.sequence);
  *event.mutable_time() = ToTimestamp(record.time);
  event.set_type(record.type);
  if (!record.guest.empty()) event.set_guest(ToGuestName(record.guest));
  event.set_guest_uid(payload.guest_uid);
  event.set_owner(record.owner);
  event.set_operation(payload.operation);
  event.set_caller(payload.caller);
  event.set_message(payload.message);
  return event;
}

}  // namespace innkeeper
