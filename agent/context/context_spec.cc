#include "agent/context/context_spec.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "agent/launch/launch_context.h"
#include "base/error.h"

namespace innkeeper {
namespace {

// The place of `kind` among those that the launcher is told; null for those
// that are always new.
NamespaceMode* PlaceOf(ContextNamespaceKind kind, LaunchNamespaces* spaces) {
  switch (kind) {
    case ContextNamespaceKind::kNetwork:
      return &spaces->network;
    case ContextNamespaceKind::kUser:
      return &spaces->user;
    case ContextNamespaceKind::kIpc:
      return &spaces->ipc;
    case ContextNamespaceKind::kUts:
      return &spaces->uts;
    case ContextNamespaceKind::kCgroup:
      return &spaces->cgroup;
    case ContextNamespaceKind::kTime:
      return &spaces->time;
    case ContextNamespaceKind::kMount:
    case ContextNamespaceKind::kPid:
      break;
  }
  return nullptr;
}

template <typename T>
void Take(const std::optional<T>& over, std::optional<T>* part) {
  if (over.has_value()) *part = over;
}

template <typename T>
void TakeUnlessDefault(const T& over, T* part) {
  if (over != T()) *part = over;
}

void TakeCgroup(const LaunchCgroup& over, LaunchCgroup* part) {
  TakeUnlessDefault(over.slice, &part->slice);
  TakeUnlessDefault(over.cpu_millis, &part->cpu_millis);
  TakeUnlessDefault(over.cpu_weight, &part->cpu_weight);
  TakeUnlessDefault(over.memory_overhead_bytes, &part->memory_overhead_bytes);
  TakeUnlessDefault(over.pid_count, &part->pid_count);
  TakeUnlessDefault(over.io_read_bytes_per_second,
                    &part->io_read_bytes_per_second);
  TakeUnlessDefault(over.io_write_bytes_per_second,
                    &part->io_write_bytes_per_second);
  TakeUnlessDefault(over.io_reads_per_second, &part->io_reads_per_second);
  TakeUnlessDefault(over.io_writes_per_second, &part->io_writes_per_second);
}

bool operator==(const ContextIdentity& a, const ContextIdentity& b) {
  return a.kind == b.kind && a.name == b.name;
}

bool operator==(const ContextNamespace& a, const ContextNamespace& b) {
  return a.mode == b.mode && a.name == b.name;
}

bool SameIdentity(const std::optional<ContextIdentity>& a,
                  const std::optional<ContextIdentity>& b) {
  return a.has_value() == b.has_value() && (!a.has_value() || *a == *b);
}

}  // namespace

bool ContextSpec::empty() const { return *this == ContextSpec(); }

bool operator==(const ContextSpec& a, const ContextSpec& b) {
  const auto rest = [](const ContextSpec& c) {
    return std::tie(c.groups, c.selinux, c.apparmor, c.root, c.capabilities,
                    c.seccomp_classes, c.landlock, c.cgroup, c.rlimits, c.nice,
                    c.cpu_affinity, c.oom_score_adj, c.environment);
  };
  return SameIdentity(a.identity, b.identity) &&
         std::equal(a.namespaces.begin(), a.namespaces.end(),
                    b.namespaces.begin(), b.namespaces.end(),
                    [](const auto& x, const auto& y) {
                      return x.first == y.first && x.second == y.second;
                    }) &&
         rest(a) == rest(b);
}

LaunchContext ToLaunchContext(const ContextSpec& spec) {
  LaunchContext launch;
  if (spec.identity.has_value()) {
    launch.identity = spec.identity->kind;
    launch.identity_name = spec.identity->name;
  }
  launch.groups.assign(spec.groups.begin(), spec.groups.end());
  launch.selinux = spec.selinux.value_or(LaunchLabel());
  launch.apparmor = spec.apparmor.value_or(LaunchLabel());
  for (const auto& [kind, space] : spec.namespaces) {
    NamespaceMode* const place = PlaceOf(kind, &launch.namespaces);
    if (place != nullptr) *place = space.mode;
    if (kind == ContextNamespaceKind::kNetwork) {
      launch.namespaces.network_name = space.name;
    }
  }
  launch.root = spec.root;
  launch.capabilities.assign(spec.capabilities.begin(),
                             spec.capabilities.end());
  launch.allowed_seccomp_classes.assign(spec.seccomp_classes.begin(),
                                        spec.seccomp_classes.end());
  launch.landlock = spec.landlock.value_or(LandlockMode::kIfAvailable);
  launch.cgroup = spec.cgroup;
  for (const auto& [resource, value] : spec.rlimits) {
    launch.rlimits.push_back({resource, value});
  }
  launch.nice = spec.nice;
  launch.cpu_affinity = spec.cpu_affinity;
  launch.oom_score_adj = spec.oom_score_adj;
  launch.environment = spec.environment;
  return launch;
}

std::vector<FieldViolation> FindContextFaults(const ContextSpec& spec,
                                              absl::string_view prefix) {
  std::vector<FieldViolation> faults;
  const auto add = [&](absl::string_view field, absl::string_view why) {
    faults.push_back({absl::StrCat(prefix, ".", field), std::string(why)});
  };
  for (const ContextFault& fault : FindContextFaults(ToLaunchContext(spec))) {
    add(fault.field, fault.why);
  }
  for (const auto& [kind, space] : spec.namespaces) {
    const std::string field = absl::StrCat("namespaces.", ToString(kind));
    if (kind == ContextNamespaceKind::kNetwork) continue;
    // All else that can be wrong with it has been said.
    if (!space.name.empty()) {
      add(absl::StrCat(field, ".name"), "is for NETWORK only");
    }
    if ((kind == ContextNamespaceKind::kMount ||
         kind == ContextNamespaceKind::kPid) &&
        space.mode != NamespaceMode::kNew) {
      add(field, "must be NEW: a guest always has its own");
    }
  }
  for (const auto& [field, label] :
       {std::make_pair("selinux.value", &spec.selinux),
        std::make_pair("apparmor.value", &spec.apparmor)}) {
    if (label->has_value() && (*label)->value.empty() && !(*label)->unique) {
      add(field, "is required");
    }
  }
  size_t bytes = 0;
  for (const auto& [name, value] : spec.environment) {
    bytes += name.size() + value.size();
  }
  if (bytes > kMaxContextEnvironmentBytes) {
    add("environment",
        absl::StrCat("must have at most ", kMaxContextEnvironmentBytes,
                     " bytes in all, not ", bytes));
  }
  return faults;
}

ContextSpec MergeContexts(const ContextSpec& base, const ContextSpec& over) {
  ContextSpec merged = base;
  Take(over.identity, &merged.identity);
  merged.groups.insert(over.groups.begin(), over.groups.end());
  Take(over.selinux, &merged.selinux);
  Take(over.apparmor, &merged.apparmor);
  for (const auto& [kind, space] : over.namespaces) {
    merged.namespaces[kind] = space;
  }
  TakeUnlessDefault(over.root, &merged.root);
  merged.capabilities.insert(over.capabilities.begin(),
                             over.capabilities.end());
  merged.seccomp_classes.insert(over.seccomp_classes.begin(),
                                over.seccomp_classes.end());
  Take(over.landlock, &merged.landlock);
  TakeCgroup(over.cgroup, &merged.cgroup);
  for (const auto& [resource, value] : over.rlimits) {
    merged.rlimits[resource] = value;
  }
  Take(over.nice, &merged.nice);
  TakeUnlessDefault(over.cpu_affinity, &merged.cpu_affinity);
  Take(over.oom_score_adj, &merged.oom_score_adj);
  for (const auto& [name, value] : over.environment) {
    merged.environment[name] = value;
  }
  return merged;
}

std::vector<std::string> PartsOf(const ContextSpec& spec) {
  std::vector<std::string> parts;
  const auto add_if = [&](bool said, absl::string_view field) {
    if (said) parts.emplace_back(field);
  };
  const LaunchCgroup& cgroup = spec.cgroup;
  add_if(spec.identity.has_value(), "identity");
  add_if(!spec.groups.empty(), "groups");
  add_if(spec.selinux.has_value(), "selinux");
  add_if(spec.apparmor.has_value(), "apparmor");
  for (const auto& [kind, space] : spec.namespaces) {
    parts.push_back(absl::StrCat("namespaces.", ToString(kind)));
  }
  add_if(!spec.root.empty(), "root");
  add_if(!spec.capabilities.empty(), "capabilities");
  add_if(!spec.seccomp_classes.empty(), "allowed_seccomp_classes");
  add_if(spec.landlock.has_value(), "landlock");
  add_if(!cgroup.slice.empty(), "cgroup.slice");
  add_if(cgroup.cpu_millis != 0, "cgroup.cpu_millis");
  add_if(cgroup.cpu_weight != 0, "cgroup.cpu_weight");
  add_if(cgroup.memory_overhead_bytes != 0, "cgroup.memory_overhead_bytes");
  add_if(cgroup.pid_count != 0, "cgroup.pid_count");
  add_if(cgroup.io_read_bytes_per_second != 0,
         "cgroup.io_read_bytes_per_second");
  add_if(cgroup.io_write_bytes_per_second != 0,
         "cgroup.io_write_bytes_per_second");
  add_if(cgroup.io_reads_per_second != 0, "cgroup.io_reads_per_second");
  add_if(cgroup.io_writes_per_second != 0, "cgroup.io_writes_per_second");
  for (const auto& [resource, value] : spec.rlimits) {
    parts.push_back(absl::StrCat("rlimits.", resource));
  }
  add_if(spec.nice.has_value(), "nice");
  add_if(!spec.cpu_affinity.empty(), "cpu_affinity");
  add_if(spec.oom_score_adj.has_value(), "oom_score_adj");
  add_if(!spec.environment.empty(), "environment");
  return parts;
}

absl::string_view ToString(ContextNamespaceKind kind) {
  switch (kind) {
    case ContextNamespaceKind::kNetwork:
      return "network";
    case ContextNamespaceKind::kMount:
      return "mount";
    case ContextNamespaceKind::kPid:
      return "pid";
    case ContextNamespaceKind::kUser:
      return "user";
    case ContextNamespaceKind::kIpc:
      return "ipc";
    case ContextNamespaceKind::kUts:
      return "uts";
    case ContextNamespaceKind::kCgroup:
      return "cgroup";
    case ContextNamespaceKind::kTime:
      return "time";
  }
  return "";
}

}  // namespace innkeeper
