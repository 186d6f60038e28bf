// GuestSpec to QEMU's arguments and the table of descriptors beside them.
//
// Pure. No path of the host stands in the arguments but QEMU's own. Strings
// that come from a client stand only in JSON values, in the kernel's command
// line and in words whose grammar was checked, so that neither the number of
// arguments nor their keys depend on what a string contains.
#ifndef INNKEEPER_AGENT_DRIVER_QEMU_COMMAND_LINE_H_
#define INNKEEPER_AGENT_DRIVER_QEMU_COMMAND_LINE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/guest/guest_record.h"
#include "agent/guest/guest_spec.h"
#include "agent/launch/launch_context.h"
#include "agent/launch/launch_plan.h"

namespace innkeeper {

// What the host decided for one launch.
struct QemuTarget {
  std::string binary;         // Absolute path; argv[0].
  std::string machine_type;   // From ResolveMachineType.
  Accel accel = Accel::kTcg;  // kKvm or kTcg.
  // What QEMU's own filter lets pass besides, by the guest's context.
  std::vector<SeccompClass> allowed_seccomp_classes = {};
};

// What was found out about one disk's image.
struct DiskSize {
  int64_t virtual_bytes = 0;   // As the guest sees it.
  int64_t max_file_bytes = 0;  // MaxFileBytes() of agent/image/file_bound.h.
  bool block_device = false;   // Not a file.
  // The same of each layer beneath it, in the order of `backing`.
  std::vector<bool> block_layers = {};
};

// The parts of a LaunchPlan of the same names.
struct CommandLine {
  std::vector<std::string> argv;
  std::vector<PlannedImage> images;
  std::vector<PlannedOverlay> overlays;
  std::vector<PlannedTap> taps;
  std::vector<PlannedFd> fds;
  PlannedFirmware firmware = PlannedFirmware::kNone;
};

// QEMU for `record` (its id, uid and spec), stopped before the guest's first
// instruction: the agent sends `cont`. `sizes` has one for each of the spec's
// disks: an ephemeral one gets an overlay of the same size, and a writable one
// its bound.
//
// INVALID_ARGUMENT if the record is not valid: then no argument was made of it.
absl::StatusOr<CommandLine> BuildCommandLine(
    const GuestRecord& record, const QemuTarget& target,
    const std::vector<DiskSize>& sizes);

// The newest versioned q35 ("pc-q35-7.2") of `supported`, the names that QEMU
// tells in query-machines; empty if there is none.
std::string DefaultMachineType(const std::vector<std::string>& supported);

// The type that `spec` gets from a QEMU that knows `supported`: what it asks
// for, or the default. FAILED_PRECONDITION (MACHINE_TYPE_UNSUPPORTED) if that
// QEMU has no such type.
absl::StatusOr<std::string> ResolveMachineType(
    const GuestSpec& spec, const std::vector<std::string>& supported);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_DRIVER_QEMU_COMMAND_LINE_H_
