#include "agent/store/guest_record_codec.h"

#include <openssl/sha.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/context/context_spec.h"
#include "agent/guest/guest_name.h"
#include "agent/guest/guest_record.h"
#include "agent/guest/guest_spec.h"
#include "agent/guest/guest_state.h"
#include "agent/guest/network_spec.h"
#include "agent/store/agent_storage.pb.h"
#include "agent/store/context_spec_codec.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "base/uuid.h"

namespace innkeeper {
namespace {

namespace storage = ::innkeeper::agent::storage::v1;

// Raised when an older version must not read what this one writes. 2: what lies
// beneath a disk, what the guest sees of it, its firmware, and what confines
// it.
constexpr int32_t kFormat = 2;
// Magic, then the first bytes of the SHA-256 of what follows.
constexpr absl::string_view kMagic = "INK1";
constexpr size_t kSumBytes = 12;
constexpr size_t kMaxText = 1000;

std::string Sha256(absl::string_view bytes) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
         digest);
  return std::string(reinterpret_cast<const char*>(digest), sizeof(digest));
}

absl::Status Damaged(absl::string_view what) {
  return Error(absl::StatusCode::kDataLoss, reason::kStoreUnavailable,
               absl::StrCat("a guest's record cannot be read: ", what));
}

// proto3 refuses strings that are not UTF-8, and these come from outside.
std::string CutText(absl::string_view text) {
  std::string cut(text.substr(0, kMaxText));
  for (char& c : cut) {
    if (static_cast<unsigned char>(c) >= 0x80) c = '?';
  }
  return cut;
}

template <typename E>
int32_t ToNumber(E value) {
  return static_cast<int32_t>(value);
}

// Sets `value` if `number` is one of 1..last; enums here have no holes.
template <typename E>
bool ToEnum(int32_t number, E last, E* value) {
  if (number < 1 || number > static_cast<int32_t>(last)) return false;
  *value = static_cast<E>(number);
  return true;
}

void PutVolume(const VolumeName& name, storage::StoredVolume* out) {
  out->set_pool(name.pool);
  out->set_volume(name.volume);
}

VolumeName GetVolume(const storage::StoredVolume& in) {
  return {in.pool(), in.volume()};
}

void PutNetwork(const NetworkSpec& network, storage::StoredNetwork* out) {
  out->set_network(network.network);
  out->set_mac(network.mac);
  out->set_model(ToNumber(network.model));
  out->set_queue_count(network.queue_count);
  for (const std::string& address : network.addresses) {
    out->add_addresses(address);
  }
}

// False if it is of no known model.
bool GetNetwork(const storage::StoredNetwork& in, NetworkSpec* network) {
  network->network = in.network();
  network->mac = in.mac();
  network->queue_count = in.queue_count();
  network->addresses.assign(in.addresses().begin(), in.addresses().end());
  return ToEnum(in.model(), NicModel::kE1000e, &network->model);
}

void PutSpec(const GuestSpec& spec, storage::StoredSpec* out) {
  out->set_machine(ToNumber(spec.machine));
  out->set_machine_type(spec.machine_type);
  out->set_accel(ToNumber(spec.accel));
  out->set_vcpu_count(spec.vcpu_count);
  out->set_memory_bytes(spec.memory_bytes);
  for (const DiskSpec& disk : spec.disks) {
    storage::StoredDisk* const stored = out->add_disks();
    PutVolume(disk.volume, stored->mutable_volume());
    stored->set_format(ToNumber(disk.format));
    stored->set_mode(ToNumber(disk.mode));
    stored->set_serial(disk.serial);
    for (const LayerSpec& layer : disk.backing) {
      storage::StoredLayer* const beneath = stored->add_backing();
      PutVolume(layer.volume, beneath->mutable_volume());
      beneath->set_format(ToNumber(layer.format));
    }
    // Left out where it was before there were others, for the digest's sake.
    if (disk.device != DiskDevice::kDisk) {
      stored->set_device(ToNumber(disk.device));
    }
  }
  if (spec.kernel.has_value()) PutVolume(*spec.kernel, out->mutable_kernel());
  if (spec.initrd.has_value()) PutVolume(*spec.initrd, out->mutable_initrd());
  out->set_kernel_command_line(spec.kernel_command_line);
  for (const auto& [key, value] : spec.labels) {
    storage::StoredLabel* const label = out->add_labels();
    label->set_key(key);
    label->set_value(value);
  }
  out->set_start_paused(spec.start_paused);
  for (const NetworkSpec& network : spec.networks) {
    PutNetwork(network, out->add_networks());
  }
  out->set_context(spec.context);
  if (!spec.context_parts.empty()) {
    PutContextSpec(spec.context_parts, out->mutable_context_parts());
  }
  if (!spec.effective_context.empty()) {
    PutContextSpec(spec.effective_context, out->mutable_effective_context());
  }
  // Left out where it says nothing, so that older digests stay the same.
  if (spec.firmware != Firmware::kBios) {
    out->set_firmware(ToNumber(spec.firmware));
  }
}

absl::StatusOr<GuestSpec> GetSpec(const storage::StoredSpec& in) {
  GuestSpec spec;
  if (!ToEnum(in.machine(), Machine::kMicrovm, &spec.machine) ||
      !ToEnum(in.accel(), Accel::kTcg, &spec.accel)) {
    return Damaged("its machine is not known");
  }
  spec.machine_type = in.machine_type();
  spec.vcpu_count = in.vcpu_count();
  spec.memory_bytes = in.memory_bytes();
  for (const storage::StoredDisk& stored : in.disks()) {
    DiskSpec disk;
    if (!ToEnum(stored.format(), DiskFormat::kQcow2, &disk.format) ||
        !ToEnum(stored.mode(), DiskMode::kEphemeral, &disk.mode)) {
      return Damaged("a disk's format or mode is not known");
    }
    disk.volume = GetVolume(stored.volume());
    disk.serial = stored.serial();
    for (const storage::StoredLayer& beneath : stored.backing()) {
      LayerSpec layer;
      if (!ToEnum(beneath.format(), DiskFormat::kQcow2, &layer.format)) {
        return Damaged("a layer's format is not known");
      }
      layer.volume = GetVolume(beneath.volume());
      disk.backing.push_back(layer);
    }
    if (stored.device() != 0 &&
        !ToEnum(stored.device(), DiskDevice::kCdrom, &disk.device)) {
      return Damaged("a disk's device is not known");
    }
    spec.disks.push_back(disk);
  }
  if (in.has_kernel()) spec.kernel = GetVolume(in.kernel());
  if (in.has_initrd()) spec.initrd = GetVolume(in.initrd());
  spec.kernel_command_line = in.kernel_command_line();
  for (const storage::StoredLabel& label : in.labels()) {
    spec.labels[label.key()] = label.value();
  }
  spec.start_paused = in.start_paused();
  for (const storage::StoredNetwork& stored : in.networks()) {
    if (!GetNetwork(stored, &spec.networks.emplace_back())) {
      return Damaged("a network interface's model is not known");
    }
  }
  spec.context = in.context();
  std::optional<ContextSpec> parts = GetContextSpec(in.context_parts());
  std::optional<ContextSpec> effective = GetContextSpec(in.effective_context());
  if (!parts.has_value() || !effective.has_value()) {
    return Damaged("its context is not known");
  }
  spec.context_parts = *std::move(parts);
  spec.effective_context = *std::move(effective);
  if (in.firmware() != 0 &&
      !ToEnum(in.firmware(), Firmware::kUefiSecureBoot, &spec.firmware)) {
    return Damaged("its firmware is not known");
  }
  const absl::Status valid = ValidateGuestSpec(spec, "spec");
  if (!valid.ok()) return Damaged(valid.message());
  return spec;
}

void PutProcess(const GuestProcess& process, storage::StoredProcess* out) {
  out->set_pid(process.pid);
  out->set_keeper_pid(process.keeper_pid);
  out->set_unix_uid(process.unix_uid);
  out->set_unix_gid(process.unix_gid);
  out->set_start_time_ticks(process.start_time_ticks);
  out->set_boot_id(process.boot_id);
  for (const std::string& tap : process.taps) out->add_taps(tap);
}

GuestProcess GetProcess(const storage::StoredProcess& in) {
  return {in.pid(),
          in.keeper_pid(),
          in.unix_uid(),
          in.unix_gid(),
          in.start_time_ticks(),
          in.boot_id(),
          {in.taps().begin(), in.taps().end()}};
}

storage::StoredGuest ToStored(const GuestRecord& record) {
  storage::StoredGuest out;
  out.set_format(record.spec.effective_context.empty() ? 1 : kFormat);
  out.set_id(record.id);
  out.set_uid(record.uid);
  out.set_owner(record.owner);
  out.set_requested_by(record.requested_by);
  out.set_origin(ToNumber(record.origin));
  PutSpec(record.spec, out.mutable_spec());
  out.set_spec_digest(record.spec_digest);
  out.set_state(ToNumber(record.state));
  out.set_state_reason(CutText(record.state_reason));
  if (record.exit.has_value()) {
    out.mutable_exit()->set_kind(ToNumber(record.exit->kind));
    out.mutable_exit()->set_value(record.exit->value);
    out.mutable_exit()->set_time_micros(absl::ToUnixMicros(record.exit->time));
  }
  if (record.process.has_value()) {
    PutProcess(*record.process, out.mutable_process());
  }
  out.set_resolved_machine_type(record.resolved_machine_type);
  out.set_accel_used(ToNumber(record.accel_used));
  out.set_accel_reason(CutText(record.accel_reason));
  out.set_create_time_micros(absl::ToUnixMicros(record.create_time));
  if (record.start_time.has_value()) {
    out.set_start_time_micros(absl::ToUnixMicros(*record.start_time));
  }
  out.set_update_time_micros(absl::ToUnixMicros(record.update_time));
  out.set_revision(record.revision);
  out.set_etag(record.etag);
  out.set_last_operation(record.last_operation);
  return out;
}

absl::StatusOr<GuestRecord> FromStored(const storage::StoredGuest& in) {
  if (in.format() < 1 || in.format() > kFormat) {
    return Damaged(absl::StrCat("its format is ", in.format(),
                                ", and this version reads up to ", kFormat));
  }
  GuestRecord record;
  if (!IsGuestId(in.id())) return Damaged("its id is not one");
  if (!IsUuid(in.uid())) return Damaged("its uid is no UUID");
  if (!ToEnum(in.origin(), GuestOrigin::kLaunched, &record.origin) ||
      !ToEnum(in.state(), GuestState::kFailed, &record.state) ||
      !ToEnum(in.accel_used(), Accel::kTcg, &record.accel_used)) {
    return Damaged("its origin, state or acceleration is not known");
  }
  record.id = in.id();
  record.uid = in.uid();
  record.owner = in.owner();
  record.requested_by = in.requested_by();
  ASSIGN_OR_RETURN(record.spec, GetSpec(in.spec()));
  record.spec_digest = in.spec_digest();
  record.state_reason = in.state_reason();
  if (in.has_exit()) {
    GuestExit exit;
    if (!ToEnum(in.exit().kind(), ExitKind::kLost, &exit.kind)) {
      return Damaged("its exit is of no known kind");
    }
    exit.value = in.exit().value();
    exit.time = absl::FromUnixMicros(in.exit().time_micros());
    record.exit = exit;
  }
  if (in.has_process()) record.process = GetProcess(in.process());
  record.resolved_machine_type = in.resolved_machine_type();
  record.accel_reason = in.accel_reason();
  record.create_time = absl::FromUnixMicros(in.create_time_micros());
  if (in.start_time_micros() != 0) {
    record.start_time = absl::FromUnixMicros(in.start_time_micros());
  }
  record.update_time = absl::FromUnixMicros(in.update_time_micros());
  record.revision = in.revision();
  record.etag = in.etag();
  record.last_operation = in.last_operation();
  return record;
}

}  // namespace

std::string SerializeGuestRecord(const GuestRecord& record) {
  const std::string body = ToStored(record).SerializeAsString();
  return absl::StrCat(kMagic, Sha256(body).substr(0, kSumBytes), body);
}

absl::StatusOr<GuestRecord> ParseGuestRecord(absl::string_view bytes) {
  if (bytes.size() > kMaxGuestRecordBytes) return Damaged("it is too long");
  if (bytes.substr(0, kMagic.size()) != kMagic ||
      bytes.size() < kMagic.size() + kSumBytes) {
    return Damaged("it does not begin as one");
  }
  const absl::string_view sum = bytes.substr(kMagic.size(), kSumBytes);
  const absl::string_view body = bytes.substr(kMagic.size() + kSumBytes);
  if (absl::string_view(Sha256(body)).substr(0, kSumBytes) != sum) {
    return Damaged("its check sum is wrong");
  }
  storage::StoredGuest stored;
  if (!stored.ParseFromArray(body.data(), static_cast<int>(body.size()))) {
    return Damaged("it is malformed");
  }
  return FromStored(stored);
}

std::string SpecDigest(const GuestSpec& spec) {
  storage::StoredSpec stored;
  PutSpec(spec, &stored);
  return absl::BytesToHexString(Sha256(stored.SerializeAsString()));
}

}  // namespace innkeeper
