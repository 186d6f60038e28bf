// What a guest's process runs in: the parts of a security context, of which
// each may be left out.
#ifndef INNKEEPER_AGENT_CONTEXT_CONTEXT_SPEC_H_
#define INNKEEPER_AGENT_CONTEXT_CONTEXT_SPEC_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "agent/launch/launch_context.h"
#include "base/error.h"

namespace innkeeper {

struct ContextIdentity {
  IdentityKind kind = IdentityKind::kPool;
  std::string name;  // With kNamed only.
};

// The values are stored on disk: never renumbered.
enum class ContextNamespaceKind : uint8_t {
  kNetwork = 1,
  kMount = 2,
  kPid = 3,
  kUser = 4,
  kIpc = 5,
  kUts = 6,
  kCgroup = 7,
  kTime = 8,
};

struct ContextNamespace {
  NamespaceMode mode = NamespaceMode::kNew;
  std::string name;  // With kNamed only.
};

// A value. What is absent, empty or 0 is as in a launch without a context. Only
// one without faults (FindContextFaults) may be launched or stored.
struct ContextSpec {
  std::optional<ContextIdentity> identity;
  std::set<std::string> groups;
  std::optional<LaunchLabel> selinux;
  std::optional<LaunchLabel> apparmor;
  std::map<ContextNamespaceKind, ContextNamespace> namespaces;
  std::string root;                    // A name of the launcher's.
  std::set<std::string> capabilities;  // "net_admin"
  std::set<SeccompClass> seccomp_classes;
  std::optional<LandlockMode> landlock;
  LaunchCgroup cgroup;
  std::map<std::string, int64_t> rlimits;  // "nofile", soft and hard at once.
  std::optional<int32_t> nice;
  std::string cpu_affinity;  // "0-3,6"
  std::optional<int32_t> oom_score_adj;
  std::map<std::string, std::string> environment;

  // Whether it says nothing.
  bool empty() const;
};

bool operator==(const ContextSpec& a, const ContextSpec& b);
inline bool operator!=(const ContextSpec& a, const ContextSpec& b) {
  return !(a == b);
}

// Names and values of the environment together, so that a guest's record keeps
// its bound.
inline constexpr size_t kMaxContextEnvironmentBytes = 2048;

// What the launcher is told: `spec` with the defaults for all it leaves out.
LaunchContext ToLaunchContext(const ContextSpec& spec);

// Every fault of form, each field as a path that begins with `prefix`:
// "context.spec" gives "context.spec.nice". Empty: none. Whether this host can
// give it is another matter.
std::vector<FieldViolation> FindContextFaults(const ContextSpec& spec,
                                              absl::string_view prefix);

// `over` on top of `base`, part by part: groups, capabilities, seccomp classes,
// variables, limits and namespaces are added to those of `base`, and take their
// place where both say something; of each other part the one of `over` counts
// if it is there. Limits of the control group count one by one.
ContextSpec MergeContexts(const ContextSpec& base, const ContextSpec& over);

// The fields of `spec` that say something, as in ContextSpec of the API:
// "identity", "namespaces.network", "cgroup.slice", "rlimits.nofile".
std::vector<std::string> PartsOf(const ContextSpec& spec);

// "network", "pid".
absl::string_view ToString(ContextNamespaceKind kind);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_CONTEXT_CONTEXT_SPEC_H_
