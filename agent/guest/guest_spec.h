// What the client wants a guest to be.
#ifndef INNKEEPER_AGENT_GUEST_GUEST_SPEC_H_
#define INNKEEPER_AGENT_GUEST_GUEST_SPEC_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "agent/context/context_spec.h"
#include "agent/guest/disk_spec.h"
#include "agent/guest/network_spec.h"
#include "agent/guest/volume_name.h"
#include "base/error.h"

namespace innkeeper {

// The values are stored on disk: never renumbered.
enum class Machine : uint8_t { kQ35 = 1, kMicrovm = 2 };
enum class Accel : uint8_t { kAuto = 1, kKvm = 2, kTcg = 3 };
enum class Firmware : uint8_t { kBios = 1, kUefi = 2, kUefiSecureBoot = 3 };

// A value. Only one that ValidateGuestSpec accepts may be launched or stored.
struct GuestSpec {
  Machine machine = Machine::kQ35;
  // A versioned type ("pc-q35-7.2") if the client asks for one; empty leaves
  // the choice to the host. What was chosen is in the record.
  std::string machine_type;
  Accel accel = Accel::kAuto;
  int32_t vcpu_count = 1;
  int64_t memory_bytes = 0;
  std::vector<DiskSpec> disks;  // In the order of boot.
  std::vector<NetworkSpec> networks;
  std::optional<VolumeName> kernel;
  std::optional<VolumeName> initrd;
  std::string kernel_command_line;
  Firmware firmware = Firmware::kBios;
  std::map<std::string, std::string> labels;
  // Left PAUSED after the launch instead of RUNNING.
  bool start_paused = false;
  std::string context;        // Id of a named context; empty: none.
  ContextSpec context_parts;  // On top of it.
  // What the two made at the launch, and what each start uses: the named
  // context may be gone by then. Not for clients to say.
  ContextSpec effective_context;

  friend bool operator==(const GuestSpec& a, const GuestSpec& b);
};

inline constexpr int32_t kMaxVcpus = 64;
inline constexpr int64_t kMinMemoryBytes = int64_t{16} << 20;
inline constexpr int64_t kMaxMemoryBytes = int64_t{1} << 40;
// With UEFI, whose firmware needs more than a BIOS.
inline constexpr int64_t kMinUefiMemoryBytes = int64_t{128} << 20;
inline constexpr size_t kMaxKernelCommandLine = 2000;
inline constexpr size_t kMaxLabels = 32;

// Every fault of `spec`, each field as a path that begins with `prefix`:
// "guest.spec" gives "guest.spec.disks[1].volume". Empty: the spec is valid.
std::vector<FieldViolation> FindFaults(const GuestSpec& spec,
                                       absl::string_view prefix);

// FindFaults as one status: OK, or INVALID_ARGUMENT with all of them.
absl::Status ValidateGuestSpec(const GuestSpec& spec, absl::string_view prefix);

// "q35", "kvm": the words of messages and logs.
absl::string_view ToString(Machine machine);
absl::string_view ToString(Accel accel);
// "bios", "uefi", "uefi-secure-boot".
absl::string_view ToString(Firmware firmware);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_GUEST_GUEST_SPEC_H_
