#include "agent/context/context_rights.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "agent/context/context_spec.h"
#include "agent/launch/launch_context.h"

namespace innkeeper {
namespace {

constexpr int64_t kMebibyte = int64_t{1} << 20;

// What the launcher sets for every guest. Of the others a process may raise its
// soft limit to the hard one by itself, so that any value gives it less. Not
// "fsize": the launcher bounds each file by what the guest's disks need.
std::optional<int64_t> DefaultRlimit(absl::string_view resource,
                                     const ContextDefaults& defaults) {
  if (resource == "core" || resource == "msgqueue" || resource == "nice" ||
      resource == "rtprio" || resource == "fsize") {
    return 0;
  }
  if (resource == "nofile") return 1024;
  if (resource == "memlock") return 8 * kMebibyte;
  if (resource == "nproc") return defaults.pid_count;
  return std::nullopt;
}

class Judge {
 public:
  Judge(const ContextSpec& base, const ContextSpec& parts,
        const ContextDefaults& defaults)
      : base_(base), parts_(parts), defaults_(defaults) {}

  std::vector<RefusedPart> Run() {
    JudgeWho();
    JudgeNamespaces();
    JudgeCgroup();
    JudgeLimits();
    return std::move(refused_);
  }

 private:
  void Refuse(absl::string_view field, absl::string_view why) {
    refused_.push_back({std::string(field), std::string(why)});
  }
  void RefuseIf(bool widens, absl::string_view field) {
    if (widens) Refuse(field, "is for administrators of the host");
  }
  // `base` and `asked`: 0 says nothing; `standard` 0: no limit.
  void JudgeMost(absl::string_view field, int64_t base, int64_t standard,
                 int64_t asked) {
    const int64_t most = base != 0 ? base : standard;
    if (asked == 0 || most == 0 || asked <= most) return;
    Refuse(field, absl::StrCat("may be at most ", most, " here, not ", asked,
                               ": more is for administrators of the host"));
  }
  void JudgeLeast(absl::string_view field, int32_t least,
                  const std::optional<int32_t>& asked) {
    if (!asked.has_value() || *asked >= least) return;
    Refuse(field, absl::StrCat("may be at least ", least, " here, not ", *asked,
                               ": less is for administrators of the host"));
  }

  void JudgeWho() {
    const IdentityKind had =
        base_.identity.has_value() ? base_.identity->kind : IdentityKind::kPool;
    RefuseIf(parts_.identity.has_value() &&
                 (parts_.identity->kind != IdentityKind::kPool ||
                  had != IdentityKind::kPool),
             "identity");
    RefuseIf(!parts_.groups.empty(), "groups");
    RefuseIf(parts_.selinux.has_value(), "selinux");
    RefuseIf(parts_.apparmor.has_value(), "apparmor");
    RefuseIf(!parts_.root.empty(), "root");
    RefuseIf(!parts_.capabilities.empty(), "capabilities");
    RefuseIf(!parts_.seccomp_classes.empty(), "allowed_seccomp_classes");
    // Programs obey more variables than anybody can list.
    RefuseIf(!parts_.environment.empty(), "environment");
    RefuseIf(
        parts_.landlock.has_value() &&
            Narrowness(*parts_.landlock) <
                Narrowness(base_.landlock.value_or(LandlockMode::kIfAvailable)),
        "landlock");
  }

  static int Narrowness(LandlockMode mode) {
    switch (mode) {
      case LandlockMode::kOff:
        return 0;
      case LandlockMode::kIfAvailable:
        return 1;
      case LandlockMode::kRequired:
        break;
    }
    return 2;
  }

  void JudgeNamespaces() {
    for (const auto& [kind, space] : parts_.namespaces) {
      RefuseIf(space.mode != NamespaceMode::kNew,
               absl::StrCat("namespaces.", ToString(kind)));
    }
  }

  void JudgeCgroup() {
    const LaunchCgroup& base = base_.cgroup;
    const LaunchCgroup& asked = parts_.cgroup;
    RefuseIf(!asked.slice.empty(), "cgroup.slice");
    JudgeMost("cgroup.cpu_millis", base.cpu_millis, defaults_.cpu_millis,
              asked.cpu_millis);
    JudgeMost("cgroup.cpu_weight", base.cpu_weight, kDefaultCpuWeight,
              asked.cpu_weight);
    JudgeMost("cgroup.memory_overhead_bytes", base.memory_overhead_bytes,
              defaults_.memory_overhead_bytes, asked.memory_overhead_bytes);
    JudgeMost("cgroup.pid_count", base.pid_count, defaults_.pid_count,
              asked.pid_count);
    JudgeMost("cgroup.io_read_bytes_per_second", base.io_read_bytes_per_second,
              0, asked.io_read_bytes_per_second);
    JudgeMost("cgroup.io_write_bytes_per_second",
              base.io_write_bytes_per_second, 0,
              asked.io_write_bytes_per_second);
    JudgeMost("cgroup.io_reads_per_second", base.io_reads_per_second, 0,
              asked.io_reads_per_second);
    JudgeMost("cgroup.io_writes_per_second", base.io_writes_per_second, 0,
              asked.io_writes_per_second);
  }

  void JudgeLimits() {
    for (const auto& [resource, asked] : parts_.rlimits) {
      const auto base = base_.rlimits.find(resource);
      const std::optional<int64_t> most =
          base != base_.rlimits.end() ? std::optional<int64_t>(base->second)
                                      : DefaultRlimit(resource, defaults_);
      if (!most.has_value() || asked <= *most) continue;
      Refuse(absl::StrCat("rlimits.", resource),
             absl::StrCat("may be at most ", *most, " here, not ", asked,
                          ": more is for administrators of the host"));
    }
    JudgeLeast("nice", base_.nice.value_or(0), parts_.nice);
    JudgeLeast("oom_score_adj",
               base_.oom_score_adj.value_or(kDefaultOomScoreAdj),
               parts_.oom_score_adj);
    if (parts_.cpu_affinity.empty() || base_.cpu_affinity.empty()) return;
    const absl::StatusOr<std::vector<int>> had =
        ParseCpuList(base_.cpu_affinity);
    const absl::StatusOr<std::vector<int>> asked =
        ParseCpuList(parts_.cpu_affinity);
    if (!had.ok() || !asked.ok() ||
        !std::includes(had->begin(), had->end(), asked->begin(),
                       asked->end())) {
      Refuse("cpu_affinity",
             absl::StrCat("may be some of ", base_.cpu_affinity,
                          " here: others are for administrators of the host"));
    }
  }

  const ContextSpec& base_;
  const ContextSpec& parts_;
  const ContextDefaults& defaults_;
  std::vector<RefusedPart> refused_;
};

}  // namespace

ContextDefaults DefaultsOf(int32_t vcpu_count) {
  return {int64_t{vcpu_count} * 1000, kDefaultOverheadBytes,
          vcpu_count + kDefaultExtraPids};
}

std::vector<RefusedPart> FindRefusedParts(const ContextSpec& base,
                                          const ContextSpec& parts,
                                          const ContextDefaults& defaults) {
  return Judge(base, parts, defaults).Run();
}

}  // namespace innkeeper
