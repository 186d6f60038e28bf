#include "agent/store/context_spec_codec.h"

#include <cstdint>
#include <optional>
#include <string>

#include "agent/context/context_spec.h"
#include "agent/launch/launch_context.h"
#include "agent/store/agent_storage.pb.h"

namespace innkeeper {
namespace {

using Stored = agent::storage::v1::StoredContextSpec;

template <typename E>
int32_t ToNumber(E value) {
  return static_cast<int32_t>(value) + 1;
}

// Sets `value` if `number` is that of one up to `last`; enums here begin with 0
// and have no holes.
template <typename E>
bool ToEnum(int32_t number, E last, E* value) {
  if (number < 1 || number > ToNumber(last)) return false;
  *value = static_cast<E>(number - 1);
  return true;
}

void PutLabel(const LaunchLabel& label, Stored::Label* out) {
  out->set_value(label.value);
  out->set_unique(label.unique);
}

void PutCgroup(const LaunchCgroup& cgroup, Stored::Cgroup* out) {
  out->set_slice(cgroup.slice);
  out->set_cpu_millis(cgroup.cpu_millis);
  out->set_cpu_weight(cgroup.cpu_weight);
  out->set_memory_overhead_bytes(cgroup.memory_overhead_bytes);
  out->set_pid_count(cgroup.pid_count);
  out->set_io_read_bytes_per_second(cgroup.io_read_bytes_per_second);
  out->set_io_write_bytes_per_second(cgroup.io_write_bytes_per_second);
  out->set_io_reads_per_second(cgroup.io_reads_per_second);
  out->set_io_writes_per_second(cgroup.io_writes_per_second);
}

LaunchCgroup GetCgroup(const Stored::Cgroup& in) {
  LaunchCgroup cgroup;
  cgroup.slice = in.slice();
  cgroup.cpu_millis = in.cpu_millis();
  cgroup.cpu_weight = in.cpu_weight();
  cgroup.memory_overhead_bytes = in.memory_overhead_bytes();
  cgroup.pid_count = in.pid_count();
  cgroup.io_read_bytes_per_second = in.io_read_bytes_per_second();
  cgroup.io_write_bytes_per_second = in.io_write_bytes_per_second();
  cgroup.io_reads_per_second = in.io_reads_per_second();
  cgroup.io_writes_per_second = in.io_writes_per_second();
  return cgroup;
}

// Whether every enum of `in` is known.
bool GetEnums(const Stored& in, ContextSpec* spec) {
  if (in.has_identity()) {
    ContextIdentity& identity = spec->identity.emplace();
    identity.name = in.identity().name();
    if (!ToEnum(in.identity().kind(), IdentityKind::kOwner, &identity.kind)) {
      return false;
    }
  }
  for (const Stored::Namespace& space : in.namespaces()) {
    if (space.kind() < 1 ||
        space.kind() > static_cast<int32_t>(ContextNamespaceKind::kTime)) {
      return false;
    }
    ContextNamespace& got =
        spec->namespaces[static_cast<ContextNamespaceKind>(space.kind())];
    got.name = space.name();
    if (!ToEnum(space.mode(), NamespaceMode::kNamed, &got.mode)) return false;
  }
  for (const int32_t number : in.seccomp_classes()) {
    SeccompClass one;
    if (!ToEnum(number, SeccompClass::kResourceControl, &one)) return false;
    spec->seccomp_classes.insert(one);
  }
  return in.landlock() == 0 ||
         ToEnum(in.landlock(), LandlockMode::kOff, &spec->landlock.emplace());
}

}  // namespace

void PutContextSpec(const ContextSpec& spec, Stored* out) {
  if (spec.identity.has_value()) {
    out->mutable_identity()->set_kind(ToNumber(spec.identity->kind));
    out->mutable_identity()->set_name(spec.identity->name);
  }
  for (const std::string& group : spec.groups) out->add_groups(group);
  if (spec.selinux.has_value()) {
    PutLabel(*spec.selinux, out->mutable_selinux());
  }
  if (spec.apparmor.has_value()) {
    PutLabel(*spec.apparmor, out->mutable_apparmor());
  }
  for (const auto& [kind, space] : spec.namespaces) {
    Stored::Namespace* const stored = out->add_namespaces();
    stored->set_kind(static_cast<int32_t>(kind));
    stored->set_mode(ToNumber(space.mode));
    stored->set_name(space.name);
  }
  out->set_root(spec.root);
  for (const std::string& name : spec.capabilities) out->add_capabilities(name);
  for (const SeccompClass one : spec.seccomp_classes) {
    out->add_seccomp_classes(ToNumber(one));
  }
  if (spec.landlock.has_value()) out->set_landlock(ToNumber(*spec.landlock));
  if (!(spec.cgroup == LaunchCgroup())) {
    PutCgroup(spec.cgroup, out->mutable_cgroup());
  }
  for (const auto& [resource, value] : spec.rlimits) {
    Stored::Rlimit* const limit = out->add_rlimits();
    limit->set_resource(resource);
    limit->set_value(value);
  }
  if (spec.nice.has_value()) out->set_nice(*spec.nice);
  out->set_cpu_affinity(spec.cpu_affinity);
  if (spec.oom_score_adj.has_value()) {
    out->set_oom_score_adj(*spec.oom_score_adj);
  }
  for (const auto& [name, value] : spec.environment) {
    auto* const variable = out->add_environment();
    variable->set_key(name);
    variable->set_value(value);
  }
}

std::optional<ContextSpec> GetContextSpec(const Stored& in) {
  ContextSpec spec;
  if (!GetEnums(in, &spec)) return std::nullopt;
  spec.groups.insert(in.groups().begin(), in.groups().end());
  if (in.has_selinux()) {
    spec.selinux = LaunchLabel{in.selinux().value(), in.selinux().unique()};
  }
  if (in.has_apparmor()) {
    spec.apparmor = LaunchLabel{in.apparmor().value(), in.apparmor().unique()};
  }
  spec.root = in.root();
  spec.capabilities.insert(in.capabilities().begin(), in.capabilities().end());
  spec.cgroup = GetCgroup(in.cgroup());
  for (const Stored::Rlimit& limit : in.rlimits()) {
    spec.rlimits[limit.resource()] = limit.value();
  }
  if (in.has_nice()) spec.nice = in.nice();
  spec.cpu_affinity = in.cpu_affinity();
  if (in.has_oom_score_adj()) spec.oom_score_adj = in.oom_score_adj();
  for (const auto& variable : in.environment()) {
    spec.environment[variable.key()] = variable.value();
  }
  if (!FindContextFaults(spec, "spec").empty()) return std::nullopt;
  return spec;
}

}  // namespace innkeeper
