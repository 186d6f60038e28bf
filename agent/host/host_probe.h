// What this host's QEMU and its KVM can do, found out once a boot.
#ifndef INNKEEPER_AGENT_HOST_HOST_PROBE_H_
#define INNKEEPER_AGENT_HOST_HOST_PROBE_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/accel/acceleration_probe.h"
#include "agent/accel/probe_runner.h"
#include "agent/host/qemu_probe.h"

namespace innkeeper {

struct HostProbe {
  QemuFacts qemu;
  bool kvm = false;
  std::string kvm_reason;
};

// Probes QEMU and KVM, or takes what was found before in this boot with this
// very binary, as kept in `cache_path`. Errors as ProbeQemu. Blocks for some
// seconds at most; not on the runner's loop.
absl::StatusOr<HostProbe> ProbeHost(const std::string& qemu_binary,
                                    const std::string& boot_id,
                                    const std::string& cache_path,
                                    ProbeRunner* runner);

// The cache's content, for `key`, which names boot and binary. Input: a file of
// our own, which may be damaged: false then, and for another key.
std::string FormatHostProbe(absl::string_view key, const HostProbe& probe);
bool ParseHostProbe(absl::string_view bytes, absl::string_view key,
                    HostProbe* probe);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_HOST_HOST_PROBE_H_
