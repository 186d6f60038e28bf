// What a guest runs in, as a LaunchPlan carries it: the parts of ContextSpec
// (api/innkeeper/v1/contexts.proto), data only. Names stand for what the
// launcher's own configuration says; no number of a user or group is ever here.
#ifndef INNKEEPER_AGENT_LAUNCH_LAUNCH_CONTEXT_H_
#define INNKEEPER_AGENT_LAUNCH_LAUNCH_CONTEXT_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace innkeeper {

enum class IdentityKind : uint8_t {
  kPool,   // A uid and gid that nobody else has.
  kNamed,  // What the launcher's --identity says of `identity_name`.
  kOwner,  // What its --owner-identity says of the plan's owner.
};

enum class NamespaceMode : uint8_t {
  kNew,    // One of the guest's own.
  kHost,   // The launcher's.
  kNamed,  // Network only: the one that is bound at /run/netns/NAME.
};

// What QEMU's own filter, -sandbox, denies unless it is listed. The agent puts
// it into the arguments; the launcher keeps it only beside the guest.
enum class SeccompClass : uint8_t {
  kObsolete,
  kElevatePrivileges,
  kSpawn,
  kResourceControl,
};

enum class LandlockMode : uint8_t {
  kIfAvailable,
  kRequired,  // Refused where the kernel lacks it.
  kOff,
};

// The label of a mandatory access control. None if `value` is empty.
struct LaunchLabel {
  // As given or, with `unique`, what the guest's own is made from: an SELinux
  // context without categories, the prefix of a profile.
  std::string value;
  bool unique = false;
};

// mount and pid namespaces are always new: there is no other jail.
struct LaunchNamespaces {
  NamespaceMode network = NamespaceMode::kNew;
  std::string network_name;  // With kNamed only.
  NamespaceMode user = NamespaceMode::kHost;
  NamespaceMode ipc = NamespaceMode::kNew;
  NamespaceMode uts = NamespaceMode::kNew;
  NamespaceMode cgroup = NamespaceMode::kNew;
  NamespaceMode time = NamespaceMode::kHost;
};

// Where in the hierarchies of control groups the guest is, and with what
// limits. 0 is as without a context.
struct LaunchCgroup {
  std::string slice;       // A group beneath that of all guests.
  int32_t cpu_weight = 0;  // 1 to 10,000; a group without one has 100.
  // These three the agent makes LaunchPlan::limits of, which alone the launcher
  // looks at.
  int64_t cpu_millis = 0;
  int64_t memory_overhead_bytes = 0;
  int32_t pid_count = 0;
  // For each block device that holds a disk of the guest.
  int64_t io_read_bytes_per_second = 0;
  int64_t io_write_bytes_per_second = 0;
  int64_t io_reads_per_second = 0;
  int64_t io_writes_per_second = 0;
};

// Soft and hard at once, in the resource's unit.
struct LaunchRlimit {
  std::string resource;  // One of IsRlimitName().
  int64_t value = 0;
};

// A default one is a launch without a context.
struct LaunchContext {
  IdentityKind identity = IdentityKind::kPool;
  std::string identity_name;        // With kNamed only.
  std::vector<std::string> groups;  // Supplementary, by name.
  LaunchLabel selinux;
  LaunchLabel apparmor;
  LaunchNamespaces namespaces;
  std::string root;                       // A root of the launcher's, by name.
  std::vector<std::string> capabilities;  // "net_admin"
  std::vector<SeccompClass> allowed_seccomp_classes;
  LandlockMode landlock = LandlockMode::kIfAvailable;
  LaunchCgroup cgroup;
  std::vector<LaunchRlimit> rlimits;
  std::optional<int32_t> nice;
  std::string cpu_affinity;  // As in cpuset(7): "0-3,6". Empty: all.
  std::optional<int32_t> oom_score_adj;
  std::map<std::string, std::string> environment;
};

bool operator==(const LaunchLabel& a, const LaunchLabel& b);
bool operator==(const LaunchNamespaces& a, const LaunchNamespaces& b);
bool operator==(const LaunchCgroup& a, const LaunchCgroup& b);
bool operator==(const LaunchRlimit& a, const LaunchRlimit& b);
bool operator==(const LaunchContext& a, const LaunchContext& b);
inline bool operator!=(const LaunchContext& a, const LaunchContext& b) {
  return !(a == b);
}

// The bounds that FindContextFaults() holds a context to.
inline constexpr size_t kMaxContextGroups = 16;
inline constexpr size_t kMaxContextCapabilities = 16;
inline constexpr size_t kMaxContextRlimits = 16;
inline constexpr size_t kMaxContextVariables = 32;
inline constexpr size_t kMaxVariableNameBytes = 63;
inline constexpr size_t kMaxVariableBytes = 256;
inline constexpr size_t kMaxSecurityLabelBytes = 255;
inline constexpr size_t kMaxCpuListBytes = 255;
inline constexpr int kMaxCpus = 1024;

// [a-z0-9][a-z0-9._-]{0,62}: an identity, a group, a root, a network namespace.
bool IsContextPartName(absl::string_view name);
// [a-z0-9][a-z0-9-]{0,62}
bool IsSliceName(absl::string_view name);
// One of the names in the comment of Rlimit in contexts.proto.
bool IsRlimitName(absl::string_view name);
// Whether a program's loader or libc obeys a variable of that name: LD_*,
// GLIBC_TUNABLES and the like, and those that the launcher itself sets.
bool IsReservedVariable(absl::string_view name);
// The processors of "0-3,6", rising, each once. INVALID_ARGUMENT
// (INVALID_REQUEST) if `text` is no such list or names one from kMaxCpus on.
absl::StatusOr<std::vector<int>> ParseCpuList(absl::string_view text);

// One bound or rule that a context breaks.
struct ContextFault {
  std::string field;  // A path in ContextSpec: "cgroup.slice".
  std::string why;
};

// Every fault of `context` by itself: bounds, grammar, parts that exclude each
// other. What a host has and allows is for the launcher to say.
std::vector<ContextFault> FindContextFaults(const LaunchContext& context);

// INVALID_ARGUMENT (INVALID_REQUEST) with every fault as a field violation
// "context.FIELD".
absl::Status ValidateContext(const LaunchContext& context);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCH_LAUNCH_CONTEXT_H_
