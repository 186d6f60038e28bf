#include "agent/launch/launch_context.h"

#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "base/error.h"
#include "base/reason.h"

namespace innkeeper {
namespace {

constexpr size_t kMaxNameBytes = 63;
constexpr int64_t kMaxRate = int64_t{1} << 50;
constexpr int64_t kMaxOverheadBytes = int64_t{1} << 40;
constexpr int32_t kMaxContextCpuMillis = 1000 * 1000;
constexpr int32_t kMaxContextPids = 4096;
// Above every planned descriptor, and some for QEMU itself.
constexpr int64_t kMinOpenFiles = 128;
constexpr absl::string_view kNameRule = "must match [a-z0-9][a-z0-9._-]{0,62}";

constexpr absl::string_view kRlimitNames[] = {
    "nofile", "nproc",  "core", "memlock",    "stack",
    "as",     "fsize",  "data", "sigpending", "msgqueue",
    "rttime", "rtprio", "nice", "locks",      "cpu"};

bool IsLowerAlnum(char c) {
  return absl::ascii_islower(c) || absl::ascii_isdigit(c);
}

bool IsNameOf(absl::string_view name, absl::string_view marks) {
  if (name.empty() || name.size() > kMaxNameBytes) return false;
  if (!IsLowerAlnum(name.front())) return false;
  return std::all_of(name.begin(), name.end(), [&](char c) {
    return IsLowerAlnum(c) || marks.find(c) != absl::string_view::npos;
  });
}

bool IsCapabilityName(absl::string_view name) {
  return !name.empty() && name.size() <= kMaxNameBytes &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return absl::ascii_islower(c) || c == '_'; });
}

// What may stand in an SELinux context or the name of an AppArmor profile: no
// blank, no control character, nothing that a policy's language quotes.
bool IsLabel(absl::string_view label) {
  return label.size() <= kMaxSecurityLabelBytes &&
         std::all_of(label.begin(), label.end(), [](char c) {
           return absl::ascii_isalnum(c) ||
                  absl::string_view("_-.:,/+@").find(c) !=
                      absl::string_view::npos;
         });
}

bool IsVariableName(absl::string_view name) {
  if (name.empty() || name.size() > kMaxVariableNameBytes) return false;
  if (!absl::ascii_isupper(name.front())) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_isupper(c) || absl::ascii_isdigit(c) || c == '_';
  });
}

bool HasTwins(std::vector<std::string> names) {
  std::sort(names.begin(), names.end());
  return std::adjacent_find(names.begin(), names.end()) != names.end();
}

// Collects the faults of one context.
class Checker {
 public:
  explicit Checker(const LaunchContext& context) : context_(context) {}

  std::vector<ContextFault> Run() {
    CheckIdentity();
    CheckLabels();
    CheckNamespaces();
    CheckCapabilities();
    CheckSeccomp();
    CheckCgroup();
    CheckRlimits();
    CheckScheduling();
    CheckEnvironment();
    return std::move(faults_);
  }

 private:
  void FaultIf(bool fault, absl::string_view field, absl::string_view why) {
    if (fault) faults_.push_back({std::string(field), std::string(why)});
  }

  void CheckIdentity() {
    const bool named = context_.identity == IdentityKind::kNamed;
    FaultIf(context_.identity > IdentityKind::kOwner, "identity.kind",
            "is unknown");
    FaultIf(named && !IsContextPartName(context_.identity_name),
            "identity.name", kNameRule);
    FaultIf(!named && !context_.identity_name.empty(), "identity.name",
            "is for the kind NAMED only");
    FaultIf(context_.groups.size() > kMaxContextGroups, "groups",
            absl::StrCat("are more than ", kMaxContextGroups));
    for (const std::string& group : context_.groups) {
      FaultIf(!IsContextPartName(group), "groups", kNameRule);
    }
    FaultIf(HasTwins(context_.groups), "groups", "name one twice");
    FaultIf(!context_.root.empty() && !IsContextPartName(context_.root), "root",
            kNameRule);
  }

  void CheckLabels() {
    const struct {
      const char* field;
      const LaunchLabel& label;
    } labels[] = {{"selinux", context_.selinux},
                  {"apparmor", context_.apparmor}};
    for (const auto& [field, label] : labels) {
      FaultIf(!IsLabel(label.value), absl::StrCat(field, ".value"),
              "must be at most 255 letters, digits and _-.:,/+@");
      FaultIf(label.unique && label.value.empty(),
              absl::StrCat(field, ".value"), "must be given with unique");
    }
    FaultIf(!context_.selinux.value.empty() &&
                std::count(context_.selinux.value.begin(),
                           context_.selinux.value.end(), ':') < 2,
            "selinux.value", "must be USER:ROLE:TYPE or USER:ROLE:TYPE:LEVEL");
    // The launcher adds the categories: user:role:type:level without any.
    FaultIf(context_.selinux.unique &&
                std::count(context_.selinux.value.begin(),
                           context_.selinux.value.end(), ':') > 3,
            "selinux.value", "must have no categories where it is unique");
  }

  void CheckNamespaces() {
    const LaunchNamespaces& namespaces = context_.namespaces;
    const bool named = namespaces.network == NamespaceMode::kNamed;
    FaultIf(namespaces.network > NamespaceMode::kNamed, "namespaces.network",
            "has an unknown mode");
    FaultIf(named && !IsContextPartName(namespaces.network_name),
            "namespaces.network.name", kNameRule);
    FaultIf(!named && !namespaces.network_name.empty(),
            "namespaces.network.name", "is for the mode NAMED only");
    const struct {
      const char* field;
      NamespaceMode mode;
    } others[] = {{"namespaces.user", namespaces.user},
                  {"namespaces.ipc", namespaces.ipc},
                  {"namespaces.uts", namespaces.uts},
                  {"namespaces.cgroup", namespaces.cgroup},
                  {"namespaces.time", namespaces.time}};
    for (const auto& [field, mode] : others) {
      FaultIf(mode > NamespaceMode::kHost, field, "must be NEW or HOST");
    }
  }

  void CheckCapabilities() {
    const std::vector<std::string>& names = context_.capabilities;
    FaultIf(names.size() > kMaxContextCapabilities, "capabilities",
            absl::StrCat("are more than ", kMaxContextCapabilities));
    for (const std::string& name : names) {
      FaultIf(!IsCapabilityName(name), "capabilities",
              "must be names as in capabilities(7) without CAP_, in lower "
              "case");
    }
    FaultIf(HasTwins(names), "capabilities", "name one twice");
    // They would hold in that namespace only, in which nothing else is.
    FaultIf(!names.empty() && context_.namespaces.user == NamespaceMode::kNew,
            "capabilities", "have no effect in a new user namespace");
  }

  void CheckSeccomp() {
    std::set<SeccompClass> seen;
    for (const SeccompClass one : context_.allowed_seccomp_classes) {
      FaultIf(one > SeccompClass::kResourceControl, "allowed_seccomp_classes",
              "has an unknown class");
      FaultIf(!seen.insert(one).second, "allowed_seccomp_classes",
              "names one twice");
      // Each makes the fault once: the list has no other bound.
      if (seen.size() > 4) break;
    }
    FaultIf(context_.landlock > LandlockMode::kOff, "landlock", "is unknown");
  }

  void CheckCgroup() {
    const LaunchCgroup& cgroup = context_.cgroup;
    FaultIf(!cgroup.slice.empty() && !IsSliceName(cgroup.slice), "cgroup.slice",
            "must match [a-z0-9][a-z0-9-]{0,62}");
    FaultIf(cgroup.cpu_weight < 0 || cgroup.cpu_weight > 10000,
            "cgroup.cpu_weight", "must be from 1 to 10000");
    FaultIf(
        cgroup.cpu_millis != 0 && (cgroup.cpu_millis < 10 ||
                                   cgroup.cpu_millis > kMaxContextCpuMillis),
        "cgroup.cpu_millis", "must be from 10 to 1000000");
    FaultIf(cgroup.memory_overhead_bytes < 0 ||
                cgroup.memory_overhead_bytes > kMaxOverheadBytes,
            "cgroup.memory_overhead_bytes", "must be from 1 byte to 1 TiB");
    FaultIf(cgroup.pid_count != 0 &&
                (cgroup.pid_count < 2 || cgroup.pid_count > kMaxContextPids),
            "cgroup.pid_count", "must be from 2 to 4096");
    const struct {
      const char* field;
      int64_t rate;
    } rates[] = {
        {"cgroup.io_read_bytes_per_second", cgroup.io_read_bytes_per_second},
        {"cgroup.io_write_bytes_per_second", cgroup.io_write_bytes_per_second},
        {"cgroup.io_reads_per_second", cgroup.io_reads_per_second},
        {"cgroup.io_writes_per_second", cgroup.io_writes_per_second}};
    for (const auto& [field, rate] : rates) {
      FaultIf(rate < 0 || rate > kMaxRate, field, "must be from 1 to 2^50");
    }
  }

  void CheckRlimits() {
    FaultIf(context_.rlimits.size() > kMaxContextRlimits, "rlimits",
            absl::StrCat("are more than ", kMaxContextRlimits));
    std::vector<std::string> names;
    for (const LaunchRlimit& limit : context_.rlimits) {
      names.push_back(limit.resource);
      FaultIf(!IsRlimitName(limit.resource), "rlimits.resource",
              "is not known; \"nofile\" is one that is");
      FaultIf(limit.value < 0, "rlimits.value", "must not be negative");
      FaultIf(limit.resource == "nofile" && limit.value >= 0 &&
                  limit.value < kMinOpenFiles,
              "rlimits.value",
              absl::StrCat("of nofile must be at least ", kMinOpenFiles,
                           ": a guest starts with so many"));
    }
    FaultIf(HasTwins(names), "rlimits", "name one resource twice");
  }

  void CheckScheduling() {
    if (context_.nice.has_value()) {
      FaultIf(*context_.nice < -20 || *context_.nice > 19, "nice",
              "must be from -20 to 19");
    }
    if (context_.oom_score_adj.has_value()) {
      FaultIf(*context_.oom_score_adj < 0 || *context_.oom_score_adj > 1000,
              "oom_score_adj", "must be from 0 to 1000");
    }
    if (!context_.cpu_affinity.empty()) {
      const absl::Status parsed = ParseCpuList(context_.cpu_affinity).status();
      FaultIf(!parsed.ok(), "cpu_affinity", parsed.message());
    }
  }

  void CheckEnvironment() {
    FaultIf(context_.environment.size() > kMaxContextVariables, "environment",
            absl::StrCat("has more than ", kMaxContextVariables, " variables"));
    for (const auto& [name, value] : context_.environment) {
      FaultIf(!IsVariableName(name), "environment",
              "must have names that match [A-Z][A-Z0-9_]{0,62}");
      FaultIf(IsReservedVariable(name), "environment",
              absl::StrCat("must not have ", name,
                           ", which programs' loaders or the launcher obey"));
      FaultIf(value.size() > kMaxVariableBytes ||
                  !std::all_of(value.begin(), value.end(), absl::ascii_isprint),
              "environment",
              absl::StrCat("must have values of at most ", kMaxVariableBytes,
                           " printable ASCII characters"));
    }
  }

  const LaunchContext& context_;
  std::vector<ContextFault> faults_;
};

absl::Status NoCpuList() {
  return Error(absl::StatusCode::kInvalidArgument, reason::kInvalidRequest,
               absl::StrCat("must be a list as in cpuset(7), \"0-3,6\", of "
                            "processors below ",
                            kMaxCpus));
}

}  // namespace

bool operator==(const LaunchLabel& a, const LaunchLabel& b) {
  return std::tie(a.value, a.unique) == std::tie(b.value, b.unique);
}

bool operator==(const LaunchNamespaces& a, const LaunchNamespaces& b) {
  return std::tie(a.network, a.network_name, a.user, a.ipc, a.uts, a.cgroup,
                  a.time) == std::tie(b.network, b.network_name, b.user, b.ipc,
                                      b.uts, b.cgroup, b.time);
}

bool operator==(const LaunchCgroup& a, const LaunchCgroup& b) {
  const auto fields = [](const LaunchCgroup& c) {
    return std::tie(c.slice, c.cpu_weight, c.cpu_millis,
                    c.memory_overhead_bytes, c.pid_count,
                    c.io_read_bytes_per_second, c.io_write_bytes_per_second,
                    c.io_reads_per_second, c.io_writes_per_second);
  };
  return fields(a) == fields(b);
}

bool operator==(const LaunchRlimit& a, const LaunchRlimit& b) {
  return std::tie(a.resource, a.value) == std::tie(b.resource, b.value);
}

bool operator==(const LaunchContext& a, const LaunchContext& b) {
  const auto fields = [](const LaunchContext& c) {
    return std::tie(c.identity, c.identity_name, c.groups, c.selinux,
                    c.apparmor, c.namespaces, c.root, c.capabilities,
                    c.allowed_seccomp_classes, c.landlock, c.cgroup, c.rlimits,
                    c.nice, c.cpu_affinity, c.oom_score_adj, c.environment);
  };
  return fields(a) == fields(b);
}

bool IsContextPartName(absl::string_view name) { return IsNameOf(name, "._-"); }

bool IsSliceName(absl::string_view name) { return IsNameOf(name, "-"); }

bool IsRlimitName(absl::string_view name) {
  return std::find(std::begin(kRlimitNames), std::end(kRlimitNames), name) !=
         std::end(kRlimitNames);
}

bool IsReservedVariable(absl::string_view name) {
  for (const absl::string_view prefix :
       {"LD_", "GLIBC_", "MALLOC_", "RES_", "NLSPATH", "GETCONF_", "GCONV_",
        "LOCPATH", "INNKEEPER_"}) {
    if (absl::StartsWith(name, prefix)) return true;
  }
  for (const absl::string_view own :
       {"PATH", "HOME", "LANG", "LOCALDOMAIN", "HOSTALIASES", "TMPDIR", "TZDIR",
        "IFS", "SHELL", "BASH_ENV", "ENV"}) {
    if (name == own) return true;
  }
  return false;
}

absl::StatusOr<std::vector<int>> ParseCpuList(absl::string_view text) {
  if (text.size() > kMaxCpuListBytes) return NoCpuList();
  std::set<int> cpus;
  for (const absl::string_view part : absl::StrSplit(text, ',')) {
    const std::vector<absl::string_view> ends = absl::StrSplit(part, '-');
    int first = 0;
    int last = 0;
    // SimpleAtoi takes blanks and signs, which cpuset(7) does not.
    for (const absl::string_view end : ends) {
      if (end.empty() ||
          !std::all_of(end.begin(), end.end(), absl::ascii_isdigit)) {
        return NoCpuList();
      }
    }
    if (ends.size() > 2 || !absl::SimpleAtoi(ends.front(), &first) ||
        !absl::SimpleAtoi(ends.back(), &last) || first > last ||
        last >= kMaxCpus) {
      return NoCpuList();
    }
    for (int cpu = first; cpu <= last; ++cpu) cpus.insert(cpu);
  }
  return std::vector<int>(cpus.begin(), cpus.end());
}

std::vector<ContextFault> FindContextFaults(const LaunchContext& context) {
  return Checker(context).Run();
}

absl::Status ValidateContext(const LaunchContext& context) {
  const std::vector<ContextFault> faults = FindContextFaults(context);
  if (faults.empty()) return absl::OkStatus();
  std::string message = "context refused:";
  for (const ContextFault& fault : faults) {
    absl::StrAppend(&message, " ", fault.field, " ", fault.why, ";");
  }
  message.back() = '.';
  Error error(absl::StatusCode::kInvalidArgument, reason::kInvalidRequest,
              message);
  for (const ContextFault& fault : faults) {
    error.Field(absl::StrCat("context.", fault.field), fault.why);
  }
  return error;
}

}  // namespace innkeeper
