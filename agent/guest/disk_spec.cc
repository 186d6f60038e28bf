#include "agent/guest/disk_spec.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "agent/guest/volume_name.h"
#include "base/error.h"

namespace innkeeper {
namespace {

// What virtio-blk can tell the guest.
constexpr size_t kMaxSerial = 20;

// Collects the faults of all disks of a guest, in their order.
class DiskChecker {
 public:
  explicit DiskChecker(bool q35) : q35_(q35) {}

  void Check(const DiskSpec& disk, size_t index) {
    const std::string field = absl::StrCat("disks[", index, "]");
    CheckUse({&disk.volume, index, disk.mode == DiskMode::kReadWrite,
              absl::StrCat(field, ".volume")});
    if (!IsFormat(disk.format)) {
      Add(absl::StrCat(field, ".format"), "must be raw or qcow2");
    }
    if (disk.mode != DiskMode::kReadOnly && disk.mode != DiskMode::kReadWrite &&
        disk.mode != DiskMode::kEphemeral) {
      Add(absl::StrCat(field, ".mode"),
          "must be read_only, read_write or ephemeral");
    }
    // The characters of a volume's id: safe in any guest's device names.
    if (!disk.serial.empty() &&
        (disk.serial.size() > kMaxSerial || !IsPoolOrVolumeId(disk.serial))) {
      Add(absl::StrCat(field, ".serial"),
          "must be at most 20 letters, digits, '_', '.' and '-', beginning "
          "with a letter or digit");
    }
    CheckBacking(disk, index, field);
    CheckDevice(disk, field);
  }

  std::vector<FieldViolation> Take() { return std::move(found_); }

 private:
  // One volume that a disk uses.
  struct Use {
    const VolumeName* volume;
    size_t disk;
    bool written;
    std::string field;
  };

  static bool IsFormat(DiskFormat format) {
    return format == DiskFormat::kRaw || format == DiskFormat::kQcow2;
  }

  void Add(std::string field, std::string description) {
    found_.push_back({std::move(field), std::move(description)});
  }

  void CheckUse(Use use) {
    if (!IsPoolOrVolumeId(use.volume->pool) ||
        !IsPoolOrVolumeId(use.volume->volume)) {
      Add(use.field, std::string(kVolumeNameRule));
      return;
    }
    const auto clash =
        std::find_if(uses_.begin(), uses_.end(), [&](const Use& other) {
          return *other.volume == *use.volume &&
                 (other.disk == use.disk || other.written || use.written);
        });
    if (clash == uses_.end()) {
      uses_.push_back(std::move(use));
    } else if (clash->disk == use.disk) {
      Add(use.field, absl::StrCat("is also ", clash->field,
                                  "; nothing lies beneath itself"));
    } else {
      Add(use.field, absl::StrCat("is also ", clash->field,
                                  "; a volume that is read_write for one disk "
                                  "cannot be used by another"));
    }
  }

  void CheckBacking(const DiskSpec& disk, size_t index,
                    const std::string& field) {
    if (disk.backing.size() > kMaxLayers) {
      Add(absl::StrCat(field, ".backing"),
          absl::StrCat("must be at most ", kMaxLayers, ", not ",
                       disk.backing.size()));
      return;
    }
    DiskFormat above = disk.format;
    for (size_t i = 0; i < disk.backing.size(); ++i) {
      const LayerSpec& layer = disk.backing[i];
      const std::string part = absl::StrCat(field, ".backing[", i, "]");
      CheckUse({&layer.volume, index, false, absl::StrCat(part, ".volume")});
      if (!IsFormat(layer.format)) {
        Add(absl::StrCat(part, ".format"), "must be raw or qcow2");
      }
      if (above == DiskFormat::kRaw) {
        Add(part,
            "lies beneath a raw volume, which has nothing beneath it; leave "
            "it out, or correct the format of the volume above");
        return;
      }
      above = layer.format;
    }
  }

  void CheckDevice(const DiskSpec& disk, const std::string& field) {
    if (disk.device == DiskDevice::kDisk) return;
    const std::string part = absl::StrCat(field, ".device");
    if (disk.device != DiskDevice::kCdrom) {
      Add(part, "must be disk or cdrom");
      return;
    }
    if (!q35_) Add(part, "can be cdrom only in a q35 machine");
    if (disk.format != DiskFormat::kRaw || disk.mode != DiskMode::kReadOnly) {
      Add(part, "can be cdrom only for a volume that is raw and read_only");
    }
    if (++cdroms_ == kMaxCdroms + 1) {
      Add(part, absl::StrCat("can be cdrom at most ", kMaxCdroms, " times"));
    }
  }

  const bool q35_;
  size_t cdroms_ = 0;
  std::vector<Use> uses_;
  std::vector<FieldViolation> found_;
};

}  // namespace

std::vector<FieldViolation> FindDiskFaults(const std::vector<DiskSpec>& disks,
                                           bool q35) {
  if (disks.size() > kMaxDisks) {
    return {{"disks", absl::StrCat("must be at most ", kMaxDisks, ", not ",
                                   disks.size())}};
  }
  DiskChecker checker(q35);
  size_t volumes = 0;
  for (size_t i = 0; i < disks.size(); ++i) {
    volumes += 1 + disks[i].backing.size();
    checker.Check(disks[i], i);
  }
  std::vector<FieldViolation> faults = checker.Take();
  if (volumes > kMaxDiskVolumes) {
    faults.push_back(
        {"disks", absl::StrCat("must have at most ", kMaxDiskVolumes,
                               " volumes, those beneath others included, not ",
                               volumes)});
  }
  return faults;
}

absl::string_view ToString(DiskFormat format) {
  return format == DiskFormat::kQcow2 ? "qcow2" : "raw";
}

absl::string_view ToString(DiskMode mode) {
  switch (mode) {
    case DiskMode::kReadOnly:
      return "read_only";
    case DiskMode::kEphemeral:
      return "ephemeral";
    case DiskMode::kReadWrite:
      break;
  }
  return "read_write";
}

absl::string_view ToString(DiskDevice device) {
  return device == DiskDevice::kCdrom ? "cdrom" : "disk";
}

}  // namespace innkeeper
