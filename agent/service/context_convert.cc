#include "agent/service/context_convert.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "agent/launch/launch_context.h"
#include "base/reason.h"
#include "rpc/timestamp.h"

namespace innkeeper {
namespace {

using Message = v1::ContextSpec;
using Faults = std::vector<FieldViolation>;

Message::Identity::Kind ToKind(IdentityKind kind) {
  switch (kind) {
    case IdentityKind::kPool:
      return Message::Identity::POOL;
    case IdentityKind::kNamed:
      return Message::Identity::NAMED;
    case IdentityKind::kOwner:
      return Message::Identity::OWNER;
  }
  return Message::Identity::KIND_UNSPECIFIED;
}

Message::Namespace::Mode ToMode(NamespaceMode mode) {
  switch (mode) {
    case NamespaceMode::kNew:
      return Message::Namespace::NEW;
    case NamespaceMode::kHost:
      return Message::Namespace::HOST;
    case NamespaceMode::kNamed:
      return Message::Namespace::NAMED;
  }
  return Message::Namespace::MODE_UNSPECIFIED;
}

Message::SeccompClass ToSeccompClass(SeccompClass one) {
  switch (one) {
    case SeccompClass::kObsolete:
      return Message::OBSOLETE;
    case SeccompClass::kElevatePrivileges:
      return Message::ELEVATE_PRIVILEGES;
    case SeccompClass::kSpawn:
      return Message::SPAWN;
    case SeccompClass::kResourceControl:
      return Message::RESOURCE_CONTROL;
  }
  return Message::SECCOMP_CLASS_UNSPECIFIED;
}

Message::Landlock ToLandlock(LandlockMode mode) {
  switch (mode) {
    case LandlockMode::kIfAvailable:
      return Message::IF_AVAILABLE;
    case LandlockMode::kRequired:
      return Message::REQUIRED;
    case LandlockMode::kOff:
      return Message::OFF;
  }
  return Message::LANDLOCK_UNSPECIFIED;
}

Message::Label ToLabel(const LaunchLabel& label) {
  Message::Label message;
  message.set_value(label.value);
  message.set_unique(label.unique);
  return message;
}

void PutCgroup(const LaunchCgroup& cgroup, Message::Cgroup* message) {
  message->set_slice(cgroup.slice);
  message->set_cpu_millis(cgroup.cpu_millis);
  message->set_cpu_weight(cgroup.cpu_weight);
  message->set_memory_overhead_bytes(cgroup.memory_overhead_bytes);
  message->set_pid_count(cgroup.pid_count);
  message->set_io_read_bytes_per_second(cgroup.io_read_bytes_per_second);
  message->set_io_write_bytes_per_second(cgroup.io_write_bytes_per_second);
  message->set_io_reads_per_second(cgroup.io_reads_per_second);
  message->set_io_writes_per_second(cgroup.io_writes_per_second);
}

LaunchCgroup ParseCgroup(const Message::Cgroup& message) {
  LaunchCgroup cgroup;
  cgroup.slice = message.slice();
  cgroup.cpu_millis = message.cpu_millis();
  cgroup.cpu_weight = message.cpu_weight();
  cgroup.memory_overhead_bytes = message.memory_overhead_bytes();
  cgroup.pid_count = message.pid_count();
  cgroup.io_read_bytes_per_second = message.io_read_bytes_per_second();
  cgroup.io_write_bytes_per_second = message.io_write_bytes_per_second();
  cgroup.io_reads_per_second = message.io_reads_per_second();
  cgroup.io_writes_per_second = message.io_writes_per_second();
  return cgroup;
}

ContextIdentity ParseIdentity(const Message::Identity& message,
                              const std::string& field, Faults* faults) {
  ContextIdentity identity;
  identity.name = message.name();
  switch (message.kind()) {
    case Message::Identity::KIND_UNSPECIFIED:
    case Message::Identity::POOL:
      identity.kind = IdentityKind::kPool;
      break;
    case Message::Identity::NAMED:
      identity.kind = IdentityKind::kNamed;
      break;
    case Message::Identity::OWNER:
      identity.kind = IdentityKind::kOwner;
      break;
    default:
      faults->push_back(
          {absl::StrCat(field, ".kind"), "must be POOL, NAMED or OWNER"});
  }
  return identity;
}

void ParseNamespace(const Message::Namespace& message, const std::string& field,
                    ContextSpec* spec, Faults* faults) {
  if (message.kind() < Message::Namespace::NETWORK ||
      message.kind() > Message::Namespace::TIME) {
    faults->push_back({absl::StrCat(field, ".kind"),
                       "must be one of the kinds of namespaces(7)"});
    return;
  }
  ContextNamespace space;
  space.name = message.name();
  switch (message.mode()) {
    case Message::Namespace::NEW:
      space.mode = NamespaceMode::kNew;
      break;
    case Message::Namespace::HOST:
      space.mode = NamespaceMode::kHost;
      break;
    case Message::Namespace::NAMED:
      space.mode = NamespaceMode::kNamed;
      break;
    default:
      faults->push_back(
          {absl::StrCat(field, ".mode"), "must be NEW, HOST or NAMED"});
      return;
  }
  // The numbers of the kinds are the API's.
  const auto kind = static_cast<ContextNamespaceKind>(message.kind());
  if (!spec->namespaces.emplace(kind, std::move(space)).second) {
    faults->push_back(
        {absl::StrCat(field, ".kind"),
         absl::StrCat("names ", ToString(kind), " a second time")});
  }
}

void ParseClasses(const Message& message, const std::string& prefix,
                  ContextSpec* spec, Faults* faults) {
  for (int i = 0; i < message.allowed_seccomp_classes_size(); ++i) {
    switch (message.allowed_seccomp_classes(i)) {
      case Message::OBSOLETE:
        spec->seccomp_classes.insert(SeccompClass::kObsolete);
        break;
      case Message::ELEVATE_PRIVILEGES:
        spec->seccomp_classes.insert(SeccompClass::kElevatePrivileges);
        break;
      case Message::SPAWN:
        spec->seccomp_classes.insert(SeccompClass::kSpawn);
        break;
      case Message::RESOURCE_CONTROL:
        spec->seccomp_classes.insert(SeccompClass::kResourceControl);
        break;
      default:
        faults->push_back(
            {absl::StrCat(prefix, ".allowed_seccomp_classes[", i, "]"),
             "must be OBSOLETE, ELEVATE_PRIVILEGES, SPAWN or "
             "RESOURCE_CONTROL"});
    }
  }
  switch (message.landlock()) {
    case Message::LANDLOCK_UNSPECIFIED:
      break;
    case Message::IF_AVAILABLE:
      spec->landlock = LandlockMode::kIfAvailable;
      break;
    case Message::REQUIRED:
      spec->landlock = LandlockMode::kRequired;
      break;
    case Message::OFF:
      spec->landlock = LandlockMode::kOff;
      break;
    default:
      faults->push_back({absl::StrCat(prefix, ".landlock"),
                         "must be IF_AVAILABLE, REQUIRED or OFF"});
  }
}

}  // namespace

v1::ContextSpec ToContextSpec(const ContextSpec& spec) {
  Message message;
  if (spec.identity.has_value()) {
    message.mutable_identity()->set_kind(ToKind(spec.identity->kind));
    message.mutable_identity()->set_name(spec.identity->name);
  }
  for (const std::string& group : spec.groups) message.add_groups(group);
  if (spec.selinux.has_value()) {
    *message.mutable_selinux() = ToLabel(*spec.selinux);
  }
  if (spec.apparmor.has_value()) {
    *message.mutable_apparmor() = ToLabel(*spec.apparmor);
  }
  for (const auto& [kind, space] : spec.namespaces) {
    Message::Namespace* const added = message.add_namespaces();
    added->set_kind(static_cast<Message::Namespace::Kind>(kind));
    added->set_mode(ToMode(space.mode));
    added->set_name(space.name);
  }
  message.set_root(spec.root);
  for (const std::string& name : spec.capabilities) {
    message.add_capabilities(name);
  }
  for (const SeccompClass one : spec.seccomp_classes) {
    message.add_allowed_seccomp_classes(ToSeccompClass(one));
  }
  if (spec.landlock.has_value()) {
    message.set_landlock(ToLandlock(*spec.landlock));
  }
  if (!(spec.cgroup == LaunchCgroup())) {
    PutCgroup(spec.cgroup, message.mutable_cgroup());
  }
  for (const auto& [resource, value] : spec.rlimits) {
    Message::Rlimit* const limit = message.add_rlimits();
    limit->set_resource(resource);
    limit->set_value(value);
  }
  if (spec.nice.has_value()) message.set_nice(*spec.nice);
  message.set_cpu_affinity(spec.cpu_affinity);
  if (spec.oom_score_adj.has_value()) {
    message.set_oom_score_adj(*spec.oom_score_adj);
  }
  message.mutable_environment()->insert(spec.environment.begin(),
                                        spec.environment.end());
  return message;
}

v1::Context ToContext(const ContextRecord& context, const std::string& host) {
  v1::Context message;
  message.set_name(ToContextName(context.id));
  message.set_description(context.description);
  for (const std::string& user : context.users) message.add_users(user);
  *message.mutable_spec() = ToContextSpec(context.spec);
  message.set_host(host);
  message.set_creator(context.creator);
  *message.mutable_create_time() = ToTimestamp(context.create_time);
  message.set_etag(context.etag);
  return message;
}

ContextSpec ParseContextSpec(const v1::ContextSpec& message,
                             const std::string& prefix, Faults* faults) {
  ContextSpec spec;
  if (message.has_identity()) {
    spec.identity = ParseIdentity(message.identity(),
                                  absl::StrCat(prefix, ".identity"), faults);
  }
  spec.groups.insert(message.groups().begin(), message.groups().end());
  if (message.has_selinux()) {
    spec.selinux =
        LaunchLabel{message.selinux().value(), message.selinux().unique()};
  }
  if (message.has_apparmor()) {
    spec.apparmor =
        LaunchLabel{message.apparmor().value(), message.apparmor().unique()};
  }
  for (int i = 0; i < message.namespaces_size(); ++i) {
    ParseNamespace(message.namespaces(i),
                   absl::StrCat(prefix, ".namespaces[", i, "]"), &spec, faults);
  }
  spec.root = message.root();
  spec.capabilities.insert(message.capabilities().begin(),
                           message.capabilities().end());
  ParseClasses(message, prefix, &spec, faults);
  spec.cgroup = ParseCgroup(message.cgroup());
  for (int i = 0; i < message.rlimits_size(); ++i) {
    const Message::Rlimit& limit = message.rlimits(i);
    if (!spec.rlimits.emplace(limit.resource(), limit.value()).second) {
      faults->push_back({absl::StrCat(prefix, ".rlimits[", i, "].resource"),
                         "names a resource a second time"});
    }
  }
  if (message.has_nice()) spec.nice = message.nice();
  spec.cpu_affinity = message.cpu_affinity();
  if (message.has_oom_score_adj()) {
    spec.oom_score_adj = message.oom_score_adj();
  }
  spec.environment.insert(message.environment().begin(),
                          message.environment().end());
  return spec;
}

void ParseSpecContext(const v1::GuestSpec& message, const std::string& prefix,
                      GuestSpec* spec, Faults* faults) {
  const std::string field = absl::StrCat(prefix, ".context");
  if (!message.context().empty()) {
    absl::StatusOr<std::string> id = ParseContextName(message.context(), field);
    if (id.ok()) {
      spec->context = *std::move(id);
    } else {
      for (const FieldViolation& fault : DetailsOf(id.status()).fields) {
        faults->push_back(fault);
      }
    }
  }
  spec->context_parts = ParseContextSpec(message.context_parts(),
                                         absl::StrCat(field, "_parts"), faults);
}

absl::StatusOr<ContextRecord> ParseContext(
    const v1::CreateContextRequest& request) {
  Faults faults;
  ContextRecord context;
  context.id = request.context_id();
  context.description = request.context().description();
  context.users.assign(request.context().users().begin(),
                       request.context().users().end());
  std::sort(context.users.begin(), context.users.end());
  context.users.erase(std::unique(context.users.begin(), context.users.end()),
                      context.users.end());
  context.spec =
      ParseContextSpec(request.context().spec(), "context.spec", &faults);
  for (FieldViolation& fault : FindRecordFaults(context)) {
    faults.push_back(std::move(fault));
  }
  if (faults.empty()) return context;
  Error error(absl::StatusCode::kInvalidArgument, reason::kInvalidRequest,
              absl::StrCat("the context has ", faults.size(),
                           faults.size() == 1 ? " fault: " : " faults: ",
                           faults[0].field, ": ", faults[0].description));
  for (const FieldViolation& fault : faults) {
    error.Field(fault.field, fault.description);
  }
  return error.Build();
}

}  // namespace innkeeper
