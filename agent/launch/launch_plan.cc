#include "agent/launch/launch_plan.h"

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "agent/launch/launch_context.h"
#include "base/error.h"
#include "base/net_address.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "base/uuid.h"

namespace innkeeper {
namespace {

constexpr size_t kMaxLabelBytes = 256;

absl::Status Refuse(absl::string_view field, absl::string_view why) {
  return Error(absl::StatusCode::kInvalidArgument, reason::kInvalidRequest,
               absl::StrCat("launch plan refused: ", field, " ", why))
      .Field(field, why);
}

bool HasNul(absl::string_view text) {
  return text.find('\0') != absl::string_view::npos;
}

bool IsLowerAlnum(char c) {
  return absl::ascii_islower(c) || absl::ascii_isdigit(c);
}

absl::Status CheckNames(const LaunchPlan& plan) {
  if (!IsGuestId(plan.guest)) {
    return Refuse("guest", "must match [a-z]([a-z0-9-]{0,61}[a-z0-9])?");
  }
  if (!IsUuid(plan.uid)) return Refuse("uid", "must be a UUID in lower case");
  for (const std::string* label : {&plan.owner, &plan.spec_digest}) {
    if (label->size() > kMaxLabelBytes || HasNul(*label)) {
      return Refuse(label == &plan.owner ? "owner" : "spec_digest",
                    "must be at most 256 bytes without NUL");
    }
  }
  if (plan.manifest.size() > kMaxManifestBytes) {
    return Refuse("manifest",
                  absl::StrCat("is longer than ", kMaxManifestBytes, " bytes"));
  }
  return absl::OkStatus();
}

absl::Status CheckArguments(const LaunchPlan& plan) {
  if (plan.argv.empty() || plan.argv.size() > kMaxArguments) {
    return Refuse("argv",
                  absl::StrCat("must have 1 to ", kMaxArguments, " items"));
  }
  size_t bytes = 0;
  for (const std::string& argument : plan.argv) {
    if (HasNul(argument)) return Refuse("argv", "must not contain NUL");
    bytes += argument.size() + 1;
  }
  if (bytes > kMaxArgumentBytes) {
    return Refuse("argv",
                  absl::StrCat("is longer than ", kMaxArgumentBytes, " bytes"));
  }
  for (const PlannedImage& image : plan.images) {
    bytes += image.pool.size() + image.name.size();
  }
  if (bytes + plan.manifest.size() > kMaxPlanTextBytes) {
    return Refuse("argv", absl::StrCat("and manifest and the names of images "
                                       "are together longer than ",
                                       kMaxPlanTextBytes, " bytes"));
  }
  return absl::OkStatus();
}

absl::Status CheckImages(const LaunchPlan& plan) {
  if (plan.images.size() > kMaxImages) {
    return Refuse("images", absl::StrCat("are more than ", kMaxImages));
  }
  for (const PlannedImage& image : plan.images) {
    if (!IsPoolName(image.pool)) {
      return Refuse("images.pool", "must match [a-z0-9][a-z0-9._-]{0,62}");
    }
    if (!IsImageName(image.name)) {
      return Refuse("images.name",
                    "must be a relative path without '.' and '..', of at most "
                    "255 bytes");
    }
    if (image.writable
            ? image.max_bytes <= 0 || image.max_bytes > kMaxImageBytes
            : image.max_bytes != 0) {
      return Refuse("images.max_bytes",
                    "must be from 1 byte to 64 TiB for a writable image, and 0 "
                    "for others");
    }
  }
  if (plan.overlays.size() > kMaxOverlays) {
    return Refuse("overlays", absl::StrCat("are more than ", kMaxOverlays));
  }
  for (const PlannedOverlay& overlay : plan.overlays) {
    if (overlay.virtual_bytes <= 0 || overlay.virtual_bytes % 512 != 0 ||
        overlay.virtual_bytes > kMaxOverlayBytes) {
      return Refuse("overlays.virtual_bytes",
                    "must be a multiple of 512 from 512 to 16 TiB");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckTaps(const LaunchPlan& plan) {
  if (plan.taps.size() > kMaxTaps) {
    return Refuse("taps", absl::StrCat("are more than ", kMaxTaps));
  }
  for (const PlannedTap& tap : plan.taps) {
    if (!IsPoolName(tap.network)) {
      return Refuse("taps.network", "must match [a-z0-9][a-z0-9._-]{0,62}");
    }
    if (!IsUnicastMac(tap.mac)) {
      return Refuse("taps.mac", "must be a unicast address");
    }
    if (tap.queue_count < 1 || tap.queue_count > kMaxTapQueues) {
      return Refuse("taps.queue_count",
                    absl::StrCat("must be 1 to ", kMaxTapQueues));
    }
    if (tap.addresses.size() > kMaxTapAddresses) {
      return Refuse("taps.addresses",
                    absl::StrCat("are more than ", kMaxTapAddresses));
    }
    for (const std::string& address : tap.addresses) {
      if (!IsUnicastIp(address)) {
        return Refuse("taps.addresses",
                      "must be unicast IPv4 or IPv6 addresses");
      }
    }
  }
  if (QueuesOf(plan) > kMaxQueuesOfGuest) {
    return Refuse("taps.queue_count",
                  absl::StrCat("are together more than ", kMaxQueuesOfGuest));
  }
  return absl::OkStatus();
}

absl::Status CheckFds(const LaunchPlan& plan) {
  if (plan.fds.size() > kMaxPlannedFds) {
    return Refuse("fds", absl::StrCat("are more than ", kMaxPlannedFds));
  }
  for (size_t i = 0; i < plan.fds.size(); ++i) {
    const PlannedFd& fd = plan.fds[i];
    if (fd.number < kFirstFdNumber || fd.number > kLastFdNumber) {
      return Refuse("fds.number", absl::StrCat("must be ", kFirstFdNumber,
                                               " to ", kLastFdNumber));
    }
    size_t count = 1;
    if (fd.kind == FdKind::kImage) count = plan.images.size();
    if (fd.kind == FdKind::kOverlay) count = plan.overlays.size();
    if (fd.kind == FdKind::kTapQueue) {
      count = static_cast<size_t>(QueuesOf(plan));
    }
    if (fd.kind > FdKind::kFirmwareVariables) {
      return Refuse("fds.kind", "is unknown");
    }
    if (fd.kind == FdKind::kRam && plan.ram_bytes == 0) {
      return Refuse("fds.kind", "names RAM, but ram_bytes is 0");
    }
    if (fd.index < 0 || static_cast<size_t>(fd.index) >= count) {
      return Refuse("fds.index", "names nothing");
    }
    for (size_t j = 0; j < i; ++j) {
      if (plan.fds[j].number == fd.number) {
        return Refuse("fds.number", "is used twice");
      }
      // Two numbers for one open file would share its position and locks.
      if (plan.fds[j].kind == fd.kind && plan.fds[j].index == fd.index) {
        return Refuse("fds", "name one thing twice");
      }
    }
  }
  return absl::OkStatus();
}

bool HasFd(const LaunchPlan& plan, FdKind kind) {
  for (const PlannedFd& fd : plan.fds) {
    if (fd.kind == kind) return true;
  }
  return false;
}

absl::Status CheckFirmware(const LaunchPlan& plan) {
  if (plan.firmware > PlannedFirmware::kUefiSecureBoot) {
    return Refuse("firmware", "is unknown");
  }
  const bool wanted = plan.firmware != PlannedFirmware::kNone;
  if (HasFd(plan, FdKind::kFirmwareCode) != wanted ||
      HasFd(plan, FdKind::kFirmwareVariables) != wanted) {
    return Refuse("firmware", "needs its two descriptors, and they need it");
  }
  return absl::OkStatus();
}

absl::Status CheckSizes(const LaunchPlan& plan) {
  // 4096: the page size of every host we run on.
  if (plan.ram_bytes < 0 || plan.ram_bytes % 4096 != 0 ||
      plan.ram_bytes > kMaxRamBytes) {
    return Refuse("ram_bytes", "must be a multiple of 4096 up to 16 TiB");
  }
  if (plan.limits.memory_bytes < kMinMemoryLimitBytes ||
      plan.limits.memory_bytes > 2 * kMaxRamBytes) {
    return Refuse("limits.memory_bytes", "must be from 16 MiB to 32 TiB");
  }
  if (plan.limits.cpu_millis != 0 &&
      (plan.limits.cpu_millis < 10 || plan.limits.cpu_millis > kMaxCpuMillis)) {
    return Refuse("limits.cpu_millis", "must be 0 or from 10 to 1000000");
  }
  // Two is the keeper and a QEMU with one thread.
  if (plan.limits.pids < 2 || plan.limits.pids > kMaxPids) {
    return Refuse("limits.pids", absl::StrCat("must be from 2 to ", kMaxPids));
  }
  return absl::OkStatus();
}

}  // namespace

bool IsGuestId(absl::string_view id) {
  if (id.empty() || id.size() > 63) return false;
  if (!absl::ascii_islower(id.front()) || id.back() == '-') return false;
  for (const char c : id) {
    if (!IsLowerAlnum(c) && c != '-') return false;
  }
  return true;
}

bool IsPoolName(absl::string_view name) { return IsContextPartName(name); }

bool IsImageName(absl::string_view name) {
  if (name.empty() || name.size() > kMaxImageNameBytes) return false;
  if (HasNul(name)) return false;
  for (const absl::string_view element : absl::StrSplit(name, '/')) {
    if (element.empty() || element == "." || element == "..") return false;
  }
  return true;
}

int QueuesOf(const LaunchPlan& plan) {
  int queues = 0;
  for (const PlannedTap& tap : plan.taps) queues += tap.queue_count;
  return queues;
}

absl::Status ValidatePlan(const LaunchPlan& plan) {
  RETURN_IF_ERROR(CheckNames(plan));
  RETURN_IF_ERROR(CheckArguments(plan));
  RETURN_IF_ERROR(CheckImages(plan));
  RETURN_IF_ERROR(CheckSizes(plan));
  RETURN_IF_ERROR(ValidateContext(plan.context));
  RETURN_IF_ERROR(CheckTaps(plan));
  RETURN_IF_ERROR(CheckFds(plan));
  return CheckFirmware(plan);
}

}  // namespace innkeeper
