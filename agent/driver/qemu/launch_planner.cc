#include "agent/driver/qemu/launch_planner.h"

#include <sys/stat.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "agent/context/context_rights.h"
#include "agent/context/context_spec.h"
#include "agent/driver/qemu/command_line.h"
#include "agent/guest/network_spec.h"
#include "agent/guest/volume_name.h"
#include "agent/image/file_bound.h"
#include "agent/image/header_parser.h"
#include "base/error.h"
#include "base/net_address.h"
#include "base/reason.h"
#include "base/unique_fd.h"

namespace innkeeper {

namespace {

bool IsRegularFile(const UniqueFd& fd) {
  struct stat info;
  return fstat(fd.get(), &info) == 0 && S_ISREG(info.st_mode);
}

absl::Status NoKernel(const VolumeName& volume) {
  const std::string name = volume.ToString();
  return Error(absl::StatusCode::kFailedPrecondition, reason::kImageUnsupported,
               absl::StrCat(name,
                            " is a block device, and a kernel or initrd must "
                            "be a file; put it into a pool of kind DIRECTORY"))
      .With("volume", name);
}

}  // namespace

std::string DescribeFd(const LaunchPlan& plan, const PlannedFd& fd) {
  switch (fd.kind) {
    case FdKind::kConsole:
      return "serial console";
    case FdKind::kQmp:
      return "monitor";
    case FdKind::kBreakGlass:
      return "second monitor";
    case FdKind::kRam:
      return "memory";
    case FdKind::kImage: {
      const PlannedImage& image = plan.images[static_cast<size_t>(fd.index)];
      return absl::StrCat(VolumeName{image.pool, image.name}.ToString(),
                          image.writable ? " (read-write)" : " (read-only)");
    }
    case FdKind::kOverlay:
      return "overlay";
    case FdKind::kTapQueue: {
      int index = fd.index;
      for (const PlannedTap& tap : plan.taps) {
        if (index < tap.queue_count) {
          return absl::StrCat("networks/", tap.network, ", ",
                              FormatMac(tap.mac), ", queue ", index);
        }
        index -= tap.queue_count;
      }
      return "";
    }
    case FdKind::kFirmwareCode:
      return "firmware (read-only)";
    case FdKind::kFirmwareVariables:
      return "UEFI variables";
  }
  return "";
}

namespace {

GuestLimits LimitsOf(const GuestSpec& spec) {
  const LaunchCgroup& asked = spec.effective_context.cgroup;
  const ContextDefaults defaults = DefaultsOf(spec.vcpu_count);
  const auto or_default = [](int64_t value, int64_t otherwise) {
    return value != 0 ? value : otherwise;
  };
  GuestLimits limits;
  limits.memory_bytes =
      spec.memory_bytes +
      or_default(asked.memory_overhead_bytes, defaults.memory_overhead_bytes);
  limits.cpu_millis = or_default(asked.cpu_millis, defaults.cpu_millis);
  limits.pids = or_default(asked.pid_count, defaults.pid_count);
  return limits;
}

}  // namespace

// What is to be looked into for one launch.
struct LaunchPlanner::Work {
  struct Volume {
    VolumeName name;
    bool image = false;  // False: a kernel or an initrd.
    DiskFormat format = DiskFormat::kRaw;
    const LayerSpec* beneath = nullptr;
    bool top = false;  // Not beneath another one: its size is the disk's.
  };

  // Keeps what was read of `volume`, an image; `info` is empty if it is
  // refused.
  void AddSize(const Volume& volume, const ImageInfo& info) {
    if (!volume.top) {
      sizes.back().block_layers.push_back(info.block_device);
      return;
    }
    sizes.emplace_back();
    sizes.back().virtual_bytes = info.virtual_bytes;
    sizes.back().max_file_bytes = std::min(MaxFileBytes(info), kMaxImageBytes);
    sizes.back().block_device = info.block_device;
  }

  GuestRecord guest;
  Completion<PlannedLaunch> done;
  std::vector<Volume> volumes;
  size_t next = 0;
  std::vector<DiskSize> sizes;
  std::vector<absl::Status> faults;
  PlannedLaunch result;
};

void LaunchPlanner::Plan(const GuestRecord& guest,
                         Completion<PlannedLaunch> done) {
  auto work = std::make_shared<Work>();
  work->guest = guest;
  work->done = std::move(done);
  const GuestSpec& spec = work->guest.spec;
  for (const DiskSpec& disk : spec.disks) {
    const auto beneath = [&](size_t depth) {
      return depth < disk.backing.size() ? &disk.backing[depth] : nullptr;
    };
    work->volumes.push_back({disk.volume, true, disk.format, beneath(0), true});
    for (size_t i = 0; i < disk.backing.size(); ++i) {
      const LayerSpec& layer = disk.backing[i];
      work->volumes.push_back(
          {layer.volume, true, layer.format, beneath(i + 1), false});
    }
  }
  if (spec.kernel.has_value()) work->volumes.push_back({*spec.kernel});
  if (spec.initrd.has_value()) work->volumes.push_back({*spec.initrd});
  Decide(work.get());
  CheckNetworks(work.get());
  OpenNext(work);
}

void LaunchPlanner::Decide(Work* work) const {
  const GuestSpec& spec = work->guest.spec;
  // A guest keeps the machine that it was launched with.
  GuestSpec asked = spec;
  if (!work->guest.resolved_machine_type.empty()) {
    asked.machine_type = work->guest.resolved_machine_type;
  }
  absl::StatusOr<std::string> machine_type =
      ResolveMachineType(asked, parts_.machine_types);
  if (machine_type.ok()) {
    work->result.machine_type = *std::move(machine_type);
  } else {
    work->faults.push_back(machine_type.status());
  }
  CheckFeatures(work);
  PlannedLaunch& result = work->result;
  switch (spec.accel) {
    case Accel::kTcg:
      result.accel = Accel::kTcg;
      result.accel_reason = "asked for";
      return;
    case Accel::kKvm:
      result.accel = Accel::kKvm;
      result.accel_reason = "asked for";
      if (parts_.kvm) return;
      work->faults.push_back(
          Error(absl::StatusCode::kFailedPrecondition,
                reason::kAccelerationUnavailable,
                absl::StrCat("KVM does not run guests on this host (",
                             parts_.kvm_reason,
                             "); ask for acceleration TCG, or leave it out"))
              .With("kvm_reason", parts_.kvm_reason)
              .Build());
      return;
    case Accel::kAuto:
      result.accel = parts_.kvm ? Accel::kKvm : Accel::kTcg;
      result.accel_reason =
          parts_.kvm ? "proven to work on this host"
                     : absl::StrCat("KVM does not run guests on this host: ",
                                    parts_.kvm_reason);
      return;
  }
}

void LaunchPlanner::CheckNetworks(Work* work) const {
  for (const NetworkSpec& asked : work->guest.spec.networks) {
    const auto known = std::find_if(
        parts_.networks.begin(), parts_.networks.end(),
        [&](const HostNetwork& one) { return one.name == asked.network; });
    absl::string_view reason;
    std::string message;
    if (known == parts_.networks.end()) {
      reason = reason::kNetworkNotFound;
      message = absl::StrCat("this host has no network '", asked.network, "'");
    } else if (known->declared && asked.addresses.empty()) {
      reason = reason::kNetworkUnavailable;
      message = absl::StrCat("network '", asked.network,
                             "' takes only guests whose addresses are "
                             "declared; declare them");
    } else {
      continue;
    }
    work->faults.push_back(
        Error(absl::StatusCode::kFailedPrecondition, reason, message)
            .With("network", asked.network)
            .Build());
  }
}

bool LaunchPlanner::Offers(absl::string_view feature) const {
  return std::find(parts_.features.begin(), parts_.features.end(), feature) !=
         parts_.features.end();
}

void LaunchPlanner::CheckFeatures(Work* work) const {
  const Firmware firmware = work->guest.spec.firmware;
  if (firmware == Firmware::kBios || Offers(ToString(firmware))) return;
  work->faults.push_back(
      Error(absl::StatusCode::kFailedPrecondition, reason::kFirmwareUnavailable,
            absl::StrCat("this host does not have the firmware ",
                         ToString(firmware),
                         "; install the package ovmf and start the launcher "
                         "anew, or take another firmware"))
          .With("firmware", ToString(firmware))
          .Build());
}

void LaunchPlanner::OpenNext(const std::shared_ptr<Work>& work) {
  if (work->next == work->volumes.size()) {
    return parts_.loop->Post([this, work] { Finish(work); });
  }
  const Work::Volume& volume = work->volumes[work->next];
  parts_.spawner->OpenImage(
      volume.name.pool, volume.name.volume,
      [this, work, volume](absl::StatusOr<UniqueFd> opened) {
        ++work->next;
        if (!opened.ok()) {
          // No launcher, or a silent one, is no fault of the volume.
          if (absl::IsUnavailable(opened.status()) ||
              absl::IsDeadlineExceeded(opened.status())) {
            return work->done(opened.status());
          }
          work->faults.push_back(opened.status());
          if (volume.image) work->AddSize(volume, ImageInfo());
          return OpenNext(work);
        }
        if (!volume.image) {
          // QEMU opens these anew, as its own user.
          if (!IsRegularFile(*opened)) {
            work->faults.push_back(NoKernel(volume.name));
          }
          return OpenNext(work);
        }
        auto fd = std::make_shared<UniqueFd>(*std::move(opened));
        const absl::Status submitted =
            parts_.executor->Submit([this, work, volume, fd] {
              absl::StatusOr<ImageInfo> info =
                  ReadImageInfo(fd->get(), volume.format, volume.beneath,
                                volume.name.ToString());
              fd->reset();
              parts_.loop->Post([this, work, volume, info = std::move(info)] {
                if (!info.ok()) work->faults.push_back(info.status());
                work->AddSize(volume, info.ok() ? *info : ImageInfo());
                OpenNext(work);
              });
            });
        if (!submitted.ok()) work->done(submitted);
      });
}

void LaunchPlanner::Finish(const std::shared_ptr<Work>& work) {
  if (!work->faults.empty()) {
    std::vector<std::string> messages;
    for (const absl::Status& fault : work->faults) {
      messages.emplace_back(fault.message());
    }
    Error error(absl::StatusCode::kFailedPrecondition,
                DetailsOf(work->faults[0]).reason,
                absl::StrJoin(messages, "; "));
    for (const absl::Status& fault : work->faults) {
      error.Precondition(DetailsOf(fault).reason,
                         absl::StrCat("guests/", work->guest.id),
                         fault.message());
    }
    return work->done(error.Build());
  }
  QemuTarget target;
  target.binary = parts_.qemu_binary;
  target.machine_type = work->result.machine_type;
  target.accel = work->result.accel;
  LaunchContext context = ToLaunchContext(work->guest.spec.effective_context);
  target.allowed_seccomp_classes = context.allowed_seccomp_classes;
  absl::StatusOr<CommandLine> line =
      BuildCommandLine(work->guest, target, work->sizes);
  if (!line.ok()) return work->done(line.status());
  const GuestSpec& spec = work->guest.spec;
  LaunchPlan& plan = work->result.plan;
  plan.guest = work->guest.id;
  plan.uid = work->guest.uid;
  plan.owner = work->guest.owner;
  plan.spec_digest = work->guest.spec_digest;
  plan.argv = std::move(line->argv);
  plan.images = std::move(line->images);
  plan.overlays = std::move(line->overlays);
  plan.taps = std::move(line->taps);
  plan.fds = std::move(line->fds);
  plan.firmware = line->firmware;
  plan.ram_bytes = spec.memory_bytes;
  plan.context = std::move(context);
  plan.limits = LimitsOf(spec);
  plan.kvm = work->result.accel == Accel::kKvm;
  work->done(std::move(work->result));
}

}  // namespace innkeeper
