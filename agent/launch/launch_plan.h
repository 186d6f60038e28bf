// What the launcher needs to start one guest: data only, made by the agent,
// checked again by the launcher, which builds nothing of it itself.
#ifndef INNKEEPER_AGENT_LAUNCH_LAUNCH_PLAN_H_
#define INNKEEPER_AGENT_LAUNCH_LAUNCH_PLAN_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "agent/launch/launch_context.h"
#include "base/net_address.h"

namespace innkeeper {

// A file in one of the launcher's pools.
struct PlannedImage {
  std::string pool;
  std::string name;  // Relative to the pool's directory.
  bool writable = false;
  // How large the file may get by being written, in bytes. The launcher reads
  // no image and takes the agent's word within a bound of its own. 0 if it is
  // not writable.
  int64_t max_bytes = 0;
};

// A fresh, empty qcow2 image without a name; gone with the guest's process.
struct PlannedOverlay {
  int64_t virtual_bytes = 0;  // A multiple of 512.
};

// A network interface with a tap of the launcher's on the host's side.
struct PlannedTap {
  std::string network;  // Of the launcher's configuration.
  MacAddress mac = {};
  int queue_count = 1;  // 1 to kMaxTapQueues.
  // The only ones that it may send from, 4 or 16 bytes each; none: any, where
  // the network allows that.
  std::vector<std::string> addresses;
};

enum class FdKind : uint8_t {
  kConsole,       // A connected stream socket; the keeper has the other end.
  kQmp,           // A listening socket, qmp.sock in the guest's directory.
  kBreakGlass,    // The same for qmp2.sock.
  kRam,           // A memfd of `ram_bytes`.
  kImage,         // images[index]
  kOverlay,       // overlays[index]
  kTapQueue,      // Queue `index`, counted through all taps.
  kFirmwareCode,  // The host's own, for reading, of `firmware`'s kind.
  kFirmwareVariables,  // The guest's own, kept over its starts.
};

// UEFI firmware that the host has. Its files are named by the launcher's
// configuration alone.
enum class PlannedFirmware : uint8_t { kNone, kUefi, kUefiSecureBoot };

// One descriptor that QEMU starts with.
struct PlannedFd {
  int number = 0;  // In QEMU: 3 to 63.
  FdKind kind = FdKind::kConsole;
  int index = 0;  // Of images, overlays, queues; 0 for the other kinds.
};

// What the guest's control group allows.
struct GuestLimits {
  int64_t memory_bytes = 0;
  int64_t cpu_millis = 0;  // 1000 is one core; 0 is no limit.
  int64_t pids = 0;        // Processes and threads, the keeper's included.
};

struct LaunchPlan {
  std::string guest;
  std::string uid;  // A UUID.
  std::string owner;
  std::string spec_digest;
  // Opaque to the launcher, which keeps it beside the guest.
  std::string manifest;
  std::vector<std::string> argv;
  std::vector<PlannedImage> images;
  std::vector<PlannedOverlay> overlays;
  std::vector<PlannedTap> taps;
  std::vector<PlannedFd> fds;
  int64_t ram_bytes = 0;  // 0: no memfd.
  GuestLimits limits;
  bool kvm = false;  // Whether the jail has /dev/kvm.
  LaunchContext context;
  // With either, kFirmwareCode and kFirmwareVariables are among `fds`.
  PlannedFirmware firmware = PlannedFirmware::kNone;
};

// The bounds that ValidatePlan() holds a plan to.
inline constexpr size_t kMaxArguments = 512;
inline constexpr size_t kMaxArgumentBytes = size_t{32} * 1024;
inline constexpr size_t kMaxManifestBytes = size_t{32} * 1024;
// Arguments, manifest and the names of images together, so that a plan fits
// into one message.
inline constexpr size_t kMaxPlanTextBytes = size_t{56} * 1024;
inline constexpr size_t kMaxImages = 32;
inline constexpr size_t kMaxOverlays = 16;
inline constexpr size_t kMaxTaps = 8;
inline constexpr int kMaxTapQueues = 8;
inline constexpr int kMaxQueuesOfGuest = 16;
inline constexpr size_t kMaxTapAddresses = 8;
inline constexpr size_t kMaxPlannedFds = 61;
inline constexpr int kFirstFdNumber = 3;
inline constexpr int kLastFdNumber = 63;
inline constexpr size_t kMaxImageNameBytes = 255;
inline constexpr int64_t kMaxOverlayBytes = int64_t{16} << 40;
inline constexpr int64_t kMaxImageBytes = int64_t{64} << 40;
inline constexpr int64_t kMaxRamBytes = int64_t{16} << 40;
inline constexpr int64_t kMinMemoryLimitBytes = int64_t{16} << 20;
inline constexpr int64_t kMaxCpuMillis = int64_t{1000} * 1000;
inline constexpr int64_t kMaxPids = 4096;

// Whether `id` is [a-z]([a-z0-9-]{0,61}[a-z0-9])?, which makes it safe as the
// name of a file and of a control group.
bool IsGuestId(absl::string_view id);

// Whether `name` is [a-z0-9][a-z0-9._-]{0,62}: a pool or an instance.
bool IsPoolName(absl::string_view name);

// Whether `name` is a relative path of plain elements: no "", ".", "..", no
// NUL, at most kMaxImageNameBytes. The kernel is asked to hold it beneath its
// pool as well; this refuses the obvious with a better message.
bool IsImageName(absl::string_view name);

// How many queues `plan`'s taps have together.
int QueuesOf(const LaunchPlan& plan);

// INVALID_ARGUMENT (INVALID_REQUEST), naming the first bound that `plan`
// breaks. Bounds and grammar only: that argv[0] is a permitted QEMU and that
// pools exist is for the launcher to check.
absl::Status ValidatePlan(const LaunchPlan& plan);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCH_LAUNCH_PLAN_H_
