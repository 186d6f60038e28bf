#include "agent/guest/guest_spec.h"

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "agent/context/context_spec.h"
#include "agent/guest/disk_spec.h"
#include "agent/guest/guest_name.h"
#include "agent/guest/network_spec.h"
#include "agent/guest/volume_name.h"
#include "base/error.h"
#include "base/reason.h"

namespace innkeeper {
namespace {

constexpr int64_t kMebibyte = int64_t{1} << 20;
constexpr size_t kMaxLabelKey = 63;
constexpr size_t kMaxLabelValue = 128;
constexpr size_t kMaxMachineType = 32;

bool IsDigits(absl::string_view text) {
  for (const char c : text) {
    if (!absl::ascii_isdigit(static_cast<unsigned char>(c))) return false;
  }
  return !text.empty();
}

bool IsPrintable(absl::string_view text) {
  for (const char c : text) {
    if (!absl::ascii_isprint(static_cast<unsigned char>(c))) return false;
  }
  return true;
}

bool IsMachineType(Machine machine, absl::string_view type) {
  if (type.size() > kMaxMachineType) return false;
  if (machine == Machine::kMicrovm) return type == "microvm";
  if (!absl::ConsumePrefix(&type, "pc-q35-")) return false;
  const std::vector<absl::string_view> version = absl::StrSplit(type, '.');
  return (version.size() == 2 || version.size() == 3) && IsDigits(version[0]) &&
         IsDigits(version[1]) && IsDigits(version.back());
}

bool IsLabelKey(absl::string_view key) {
  if (key.empty() || key.size() > kMaxLabelKey) return false;
  if (!absl::ascii_islower(static_cast<unsigned char>(key.front()))) {
    return false;
  }
  for (const char c : key) {
    if (!absl::ascii_islower(static_cast<unsigned char>(c)) &&
        !absl::ascii_isdigit(static_cast<unsigned char>(c)) && c != '_' &&
        c != '.' && c != '-') {
      return false;
    }
  }
  return true;
}

// Collects faults under one prefix.
class Faults {
 public:
  explicit Faults(absl::string_view prefix) : prefix_(prefix) {}

  void Add(absl::string_view field, absl::string_view description) {
    found_.push_back({prefix_.empty() ? std::string(field)
                                      : absl::StrCat(prefix_, ".", field),
                      std::string(description)});
  }
  std::vector<FieldViolation> Take() { return std::move(found_); }

 private:
  const std::string prefix_;
  std::vector<FieldViolation> found_;
};

void CheckVolume(const VolumeName& name, absl::string_view field,
                 Faults& faults) {
  if (!IsPoolOrVolumeId(name.pool) || !IsPoolOrVolumeId(name.volume)) {
    faults.Add(field, kVolumeNameRule);
  }
}

void CheckMachine(const GuestSpec& spec, Faults& faults) {
  if (spec.machine != Machine::kQ35 && spec.machine != Machine::kMicrovm) {
    faults.Add("machine", "must be q35 or microvm");
  } else if (!spec.machine_type.empty() &&
             !IsMachineType(spec.machine, spec.machine_type)) {
    faults.Add("machine_type",
               spec.machine == Machine::kQ35
                   ? "must be a version of q35, such as pc-q35-7.2, or empty"
                   : "must be microvm, which has no versions, or empty");
  }
  if (spec.accel != Accel::kAuto && spec.accel != Accel::kKvm &&
      spec.accel != Accel::kTcg) {
    faults.Add("accel", "must be auto, kvm or tcg");
  }
  if (spec.vcpu_count < 1 || spec.vcpu_count > kMaxVcpus) {
    faults.Add("vcpu_count", absl::StrCat("must be 1 to ", kMaxVcpus, ", not ",
                                          spec.vcpu_count));
  }
  if (spec.memory_bytes < kMinMemoryBytes ||
      spec.memory_bytes > kMaxMemoryBytes ||
      spec.memory_bytes % kMebibyte != 0) {
    faults.Add("memory_bytes",
               absl::StrCat("must be a multiple of 1 MiB from ",
                            kMinMemoryBytes, " (16 MiB) to ", kMaxMemoryBytes,
                            " (1 TiB), not ", spec.memory_bytes));
  }
}

void CheckKernel(const GuestSpec& spec, Faults& faults) {
  if (spec.kernel.has_value()) CheckVolume(*spec.kernel, "kernel", faults);
  if (spec.initrd.has_value()) {
    CheckVolume(*spec.initrd, "initrd", faults);
    if (!spec.kernel.has_value()) faults.Add("initrd", "needs a kernel");
  }
  const absl::string_view line = spec.kernel_command_line;
  if (!line.empty() && !spec.kernel.has_value()) {
    faults.Add("kernel_command_line", "needs a kernel");
  }
  if (line.size() > kMaxKernelCommandLine) {
    faults.Add("kernel_command_line",
               absl::StrCat("must have at most ", kMaxKernelCommandLine,
                            " bytes, not ", line.size()));
  } else if (!IsPrintable(line)) {
    faults.Add("kernel_command_line", "must be printable ASCII in one line");
  }
}

void CheckFirmware(const GuestSpec& spec, Faults& faults) {
  if (spec.firmware == Firmware::kBios) return;
  if (spec.firmware != Firmware::kUefi &&
      spec.firmware != Firmware::kUefiSecureBoot) {
    return faults.Add("firmware", "must be bios, uefi or uefi-secure-boot");
  }
  if (spec.machine != Machine::kQ35) {
    faults.Add("firmware", "must be bios for a machine other than q35");
  }
  if (spec.memory_bytes < kMinUefiMemoryBytes) {
    faults.Add("memory_bytes", "must be at least 128 MiB with UEFI");
  }
  // The firmware starts a kernel that it is handed without looking at its
  // signature.
  if (spec.firmware == Firmware::kUefiSecureBoot && spec.kernel.has_value()) {
    faults.Add("kernel",
               "is not checked by secure boot; boot from a disk, or use uefi");
  }
}

void CheckLabels(const GuestSpec& spec, Faults& faults) {
  if (spec.labels.size() > kMaxLabels) {
    faults.Add("labels", absl::StrCat("must be at most ", kMaxLabels, ", not ",
                                      spec.labels.size()));
    return;
  }
  for (const auto& [key, value] : spec.labels) {
    if (!IsLabelKey(key)) {
      faults.Add("labels",
                 "each key must be 1 to 63 lower-case letters, digits, '_', "
                 "'.' and '-', beginning with a letter");
    } else if (value.size() > kMaxLabelValue || !IsPrintable(value)) {
      faults.Add(absl::StrCat("labels[", key, "]"),
                 "must be at most 128 bytes of printable ASCII");
    }
  }
}

}  // namespace

bool operator==(const GuestSpec& a, const GuestSpec& b) {
  return a.machine == b.machine && a.machine_type == b.machine_type &&
         a.accel == b.accel && a.vcpu_count == b.vcpu_count &&
         a.memory_bytes == b.memory_bytes && a.disks == b.disks &&
         a.networks == b.networks && a.kernel == b.kernel &&
         a.initrd == b.initrd &&
         a.kernel_command_line == b.kernel_command_line &&
         a.firmware == b.firmware && a.labels == b.labels &&
         a.start_paused == b.start_paused && a.context == b.context &&
         a.context_parts == b.context_parts &&
         a.effective_context == b.effective_context;
}

std::vector<FieldViolation> FindFaults(const GuestSpec& spec,
                                       absl::string_view prefix) {
  Faults faults(prefix);
  CheckMachine(spec, faults);
  for (const FieldViolation& fault :
       FindDiskFaults(spec.disks, spec.machine == Machine::kQ35)) {
    faults.Add(fault.field, fault.description);
  }
  FindNetworkFaults(spec.networks, spec.machine == Machine::kQ35,
                    [&](absl::string_view field, absl::string_view what) {
                      faults.Add(field, what);
                    });
  CheckKernel(spec, faults);
  CheckFirmware(spec, faults);
  CheckLabels(spec, faults);
  if (!spec.context.empty() && !IsGuestId(spec.context)) {
    faults.Add("context",
               "must be contexts/{context}, where {context} is "
               "[a-z]([a-z0-9-]{0,61}[a-z0-9])?");
  }
  std::vector<FieldViolation> found = faults.Take();
  for (FieldViolation& fault : FindContextFaults(
           spec.context_parts,
           absl::StrCat(prefix, prefix.empty() ? "" : ".", "context_parts"))) {
    found.push_back(std::move(fault));
  }
  return found;
}

absl::Status ValidateGuestSpec(const GuestSpec& spec,
                               absl::string_view prefix) {
  const std::vector<FieldViolation> faults = FindFaults(spec, prefix);
  if (faults.empty()) return absl::OkStatus();
  Error error(
      absl::StatusCode::kInvalidArgument, reason::kInvalidRequest,
      absl::StrCat(
          "the guest's spec has ", faults.size(),
          faults.size() == 1 ? " fault: " : " faults: ",
          absl::StrJoin(
              faults, "; ", [](std::string* out, const FieldViolation& fault) {
                absl::StrAppend(out, fault.field, " ", fault.description);
              })));
  for (const FieldViolation& fault : faults) {
    error.Field(fault.field, fault.description);
  }
  return error;
}

absl::string_view ToString(Machine machine) {
  return machine == Machine::kMicrovm ? "microvm" : "q35";
}

absl::string_view ToString(Accel accel) {
  switch (accel) {
    case Accel::kKvm:
      return "kvm";
    case Accel::kTcg:
      return "tcg";
    case Accel::kAuto:
      break;
  }
  return "auto";
}

absl::string_view ToString(Firmware firmware) {
  switch (firmware) {
    case Firmware::kUefi:
      return "uefi";
    case Firmware::kUefiSecureBoot:
      return "uefi-secure-boot";
    case Firmware::kBios:
      break;
  }
  return "bios";
}

}  // namespace innkeeper
