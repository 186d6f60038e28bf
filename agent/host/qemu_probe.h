// What the installed QEMU can do.
#ifndef INNKEEPER_AGENT_HOST_QEMU_PROBE_H_
#define INNKEEPER_AGENT_HOST_QEMU_PROBE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace innkeeper {

struct QemuFacts {
  std::string version;  // "7.2.22"
  std::vector<std::string>
      machine_types;  // Versioned ones first, newest first.
};

// Runs `binary` with `--version` and `-machine help`, each for at most 10 s.
// FAILED_PRECONDITION (CONFIG_INVALID), naming the binary, if it is not a QEMU.
// Blocks meanwhile.
absl::StatusOr<QemuFacts> ProbeQemu(const std::string& binary);

// The parts of ProbeQemu that read what QEMU printed.
std::string ParseQemuVersion(absl::string_view text);
std::vector<std::string> ParseMachineTypes(absl::string_view text);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_HOST_QEMU_PROBE_H_
