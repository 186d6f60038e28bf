#include "agent/launcher/context_wire.h"

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/launch/context_offer.h"
#include "agent/launch/launch_context.h"
#include "agent/launcher/wire.h"

namespace innkeeper {
namespace {

constexpr size_t kMaxNameBytes = 64;
// More than there are; that none is twice is checked later.
constexpr size_t kMaxClasses = 8;
constexpr size_t kMaxOwnCpusBytes = 4096;

void WriteLabel(const LaunchLabel& label, WireWriter& out) {
  out.String(label.value);
  out.Bool(label.unique);
}

LaunchLabel ReadLabel(WireReader& in) {
  LaunchLabel label;
  label.value = in.String(kMaxSecurityLabelBytes + 1);
  label.unique = in.Bool();
  return label;
}

void WriteInt32(int32_t value, WireWriter& out) {
  out.U32(static_cast<uint32_t>(value));
}

int32_t ReadInt32(WireReader& in) { return static_cast<int32_t>(in.U32()); }

void WriteOptional(const std::optional<int32_t>& value, WireWriter& out) {
  out.Bool(value.has_value());
  if (value.has_value()) WriteInt32(*value, out);
}

std::optional<int32_t> ReadOptional(WireReader& in) {
  if (!in.Bool()) return std::nullopt;
  return ReadInt32(in);
}

void WriteNames(const std::vector<std::string>& names, WireWriter& out) {
  out.U32(static_cast<uint32_t>(names.size()));
  for (const std::string& name : names) out.String(name);
}

std::vector<std::string> ReadNames(WireReader& in, size_t limit) {
  std::vector<std::string> names(in.Count(limit));
  for (std::string& name : names) name = in.String(kMaxNameBytes);
  return names;
}

void WriteSet(const std::set<std::string>& names, WireWriter& out) {
  out.U32(static_cast<uint32_t>(names.size()));
  for (const std::string& name : names) out.String(name);
}

std::set<std::string> ReadSet(WireReader& in) {
  std::set<std::string> names;
  const size_t count = in.Count(kMaxOffered);
  // "user/" before a name.
  for (size_t i = 0; i < count; ++i) names.insert(in.String(kMaxNameBytes + 5));
  return names;
}

void WriteNamespaces(const LaunchNamespaces& namespaces, WireWriter& out) {
  for (const NamespaceMode mode :
       {namespaces.network, namespaces.user, namespaces.ipc, namespaces.uts,
        namespaces.cgroup, namespaces.time}) {
    out.U8(static_cast<uint8_t>(mode));
  }
  out.String(namespaces.network_name);
}

LaunchNamespaces ReadNamespaces(WireReader& in) {
  LaunchNamespaces namespaces;
  for (NamespaceMode* mode :
       {&namespaces.network, &namespaces.user, &namespaces.ipc, &namespaces.uts,
        &namespaces.cgroup, &namespaces.time}) {
    *mode = static_cast<NamespaceMode>(in.U8());
  }
  namespaces.network_name = in.String(kMaxNameBytes);
  return namespaces;
}

void WriteCgroup(const LaunchCgroup& cgroup, WireWriter& out) {
  out.String(cgroup.slice);
  WriteInt32(cgroup.cpu_weight, out);
  out.I64(cgroup.cpu_millis);
  out.I64(cgroup.memory_overhead_bytes);
  WriteInt32(cgroup.pid_count, out);
  out.I64(cgroup.io_read_bytes_per_second);
  out.I64(cgroup.io_write_bytes_per_second);
  out.I64(cgroup.io_reads_per_second);
  out.I64(cgroup.io_writes_per_second);
}

LaunchCgroup ReadCgroup(WireReader& in) {
  LaunchCgroup cgroup;
  cgroup.slice = in.String(kMaxNameBytes);
  cgroup.cpu_weight = ReadInt32(in);
  cgroup.cpu_millis = in.I64();
  cgroup.memory_overhead_bytes = in.I64();
  cgroup.pid_count = ReadInt32(in);
  cgroup.io_read_bytes_per_second = in.I64();
  cgroup.io_write_bytes_per_second = in.I64();
  cgroup.io_reads_per_second = in.I64();
  cgroup.io_writes_per_second = in.I64();
  return cgroup;
}

}  // namespace

void WriteContext(const LaunchContext& context, WireWriter& out) {
  out.U8(static_cast<uint8_t>(context.identity));
  out.String(context.identity_name);
  WriteNames(context.groups, out);
  WriteLabel(context.selinux, out);
  WriteLabel(context.apparmor, out);
  WriteNamespaces(context.namespaces, out);
  out.String(context.root);
  WriteNames(context.capabilities, out);
  out.U32(static_cast<uint32_t>(context.allowed_seccomp_classes.size()));
  for (const SeccompClass one : context.allowed_seccomp_classes) {
    out.U8(static_cast<uint8_t>(one));
  }
  out.U8(static_cast<uint8_t>(context.landlock));
  WriteCgroup(context.cgroup, out);
  out.U32(static_cast<uint32_t>(context.rlimits.size()));
  for (const LaunchRlimit& limit : context.rlimits) {
    out.String(limit.resource);
    out.I64(limit.value);
  }
  WriteOptional(context.nice, out);
  out.String(context.cpu_affinity);
  WriteOptional(context.oom_score_adj, out);
  out.U32(static_cast<uint32_t>(context.environment.size()));
  for (const auto& [name, value] : context.environment) {
    out.String(name);
    out.String(value);
  }
}

LaunchContext ReadContext(WireReader& in) {
  LaunchContext context;
  context.identity = static_cast<IdentityKind>(in.U8());
  context.identity_name = in.String(kMaxNameBytes);
  context.groups = ReadNames(in, kMaxContextGroups);
  context.selinux = ReadLabel(in);
  context.apparmor = ReadLabel(in);
  context.namespaces = ReadNamespaces(in);
  context.root = in.String(kMaxNameBytes);
  context.capabilities = ReadNames(in, kMaxContextCapabilities);
  context.allowed_seccomp_classes.resize(in.Count(kMaxClasses));
  for (SeccompClass& one : context.allowed_seccomp_classes) {
    one = static_cast<SeccompClass>(in.U8());
  }
  context.landlock = static_cast<LandlockMode>(in.U8());
  context.cgroup = ReadCgroup(in);
  context.rlimits.resize(in.Count(kMaxContextRlimits));
  for (LaunchRlimit& limit : context.rlimits) {
    limit.resource = in.String(kMaxNameBytes);
    limit.value = in.I64();
  }
  context.nice = ReadOptional(in);
  context.cpu_affinity = in.String(kMaxCpuListBytes + 1);
  context.oom_score_adj = ReadOptional(in);
  const size_t variables = in.Count(kMaxContextVariables);
  for (size_t i = 0; i < variables; ++i) {
    std::string name = in.String(kMaxNameBytes);
    std::string value = in.String(kMaxVariableBytes + 1);
    // Sorted and each once, as they are written.
    if (!context.environment.empty() &&
        name <= context.environment.rbegin()->first) {
      in.Fail();
      break;
    }
    context.environment.emplace_hint(context.environment.end(), std::move(name),
                                     std::move(value));
  }
  return context;
}

void WriteOffer(const ContextOffer& offer, WireWriter& out) {
  for (const std::set<std::string>* names :
       {&offer.identities, &offer.owners, &offer.groups, &offer.roots,
        &offer.capabilities}) {
    WriteSet(*names, out);
  }
  out.Bool(offer.networks.has_value());
  if (offer.networks.has_value()) WriteSet(*offer.networks, out);
  out.U32(static_cast<uint32_t>(offer.rlimits.size()));
  for (const auto& [name, most] : offer.rlimits) {
    out.String(name);
    out.I64(most);
  }
  WriteInt32(offer.least_nice, out);
  WriteInt32(offer.least_oom_score_adj, out);
  out.String(offer.cpus);
  out.U32(offer.landlock_abi);
  for (const bool given : {offer.selinux, offer.apparmor, offer.user_namespaces,
                           offer.time_namespaces, offer.io_limits}) {
    out.Bool(given);
  }
}

ContextOffer ReadOffer(WireReader& in) {
  ContextOffer offer;
  for (std::set<std::string>* names :
       {&offer.identities, &offer.owners, &offer.groups, &offer.roots,
        &offer.capabilities}) {
    *names = ReadSet(in);
  }
  if (in.Bool()) offer.networks = ReadSet(in);
  const size_t limits = in.Count(kMaxOffered);
  for (size_t i = 0; i < limits; ++i) {
    std::string name = in.String(kMaxNameBytes);
    offer.rlimits[std::move(name)] = in.I64();
  }
  offer.least_nice = ReadInt32(in);
  offer.least_oom_score_adj = ReadInt32(in);
  offer.cpus = in.String(kMaxOwnCpusBytes);
  offer.landlock_abi = in.U32();
  for (bool* given : {&offer.selinux, &offer.apparmor, &offer.user_namespaces,
                      &offer.time_namespaces, &offer.io_limits}) {
    *given = in.Bool();
  }
  return offer;
}

}  // namespace innkeeper
