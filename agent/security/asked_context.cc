#include "agent/security/asked_context.h"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "agent/guest/guest_record.h"
#include "agent/launch/capability_name.h"
#include "agent/launch/launch_context.h"
#include "agent/launch/launch_plan.h"

namespace innkeeper {
namespace {

// What a context calls a limit, and what /proc/PID/limits does.
constexpr std::pair<absl::string_view, absl::string_view> kLimits[] = {
    {"nofile", "Max open files"},
    {"nproc", "Max processes"},
    {"core", "Max core file size"},
    {"memlock", "Max locked memory"},
    {"stack", "Max stack size"},
    {"as", "Max address space"},
    {"fsize", "Max file size"},
    {"data", "Max data size"},
    {"sigpending", "Max pending signals"},
    {"msgqueue", "Max msgqueue size"},
    {"rttime", "Max realtime timeout"},
    {"rtprio", "Max realtime priority"},
    {"nice", "Max nice priority"},
    {"locks", "Max file locks"},
    {"cpu", "Max cpu time"}};

uint64_t MaskOf(const std::vector<std::string>& capabilities) {
  uint64_t mask = 0;
  for (const std::string& name : capabilities) {
    const std::optional<int> number = CapabilityNumber(name);
    if (number.has_value()) mask |= uint64_t{1} << *number;
  }
  return mask;
}

AskedNamespace Which(NamespaceMode mode) {
  switch (mode) {
    case NamespaceMode::kHost:
      return AskedNamespace::kHost;
    case NamespaceMode::kNamed:
      return AskedNamespace::kNotHost;
    case NamespaceMode::kNew:
      break;
  }
  return AskedNamespace::kOwn;
}

// As the kernel writes a list of processors: each range as long as it can be.
std::string AsKernel(absl::string_view list) {
  const auto cpus = ParseCpuList(list);
  if (!cpus.ok()) return std::string(list);
  std::string text;
  for (size_t i = 0; i < cpus->size(); ++i) {
    const int first = (*cpus)[i];
    while (i + 1 < cpus->size() && (*cpus)[i + 1] == (*cpus)[i] + 1) ++i;
    absl::StrAppend(&text, text.empty() ? "" : ",", first);
    if ((*cpus)[i] != first) absl::StrAppend(&text, "-", (*cpus)[i]);
  }
  return text;
}

// Of `guest`, in `context`.
void AskFor(const std::string& guest, const LaunchContext& context,
            AskedContext* asked) {
  asked->group = context.cgroup.slice.empty()
                     ? guest
                     : absl::StrCat(context.cgroup.slice, ".slice/", guest);
  const LaunchNamespaces& namespaces = context.namespaces;
  asked->namespaces["net"] = Which(namespaces.network);
  asked->namespaces["user"] = Which(namespaces.user);
  asked->namespaces["ipc"] = Which(namespaces.ipc);
  asked->namespaces["uts"] = Which(namespaces.uts);
  asked->namespaces["cgroup"] = Which(namespaces.cgroup);
  asked->namespaces["time"] = Which(namespaces.time);
  asked->own_groups_only = context.groups.empty();
  asked->capabilities = MaskOf(context.capabilities);
  for (const LaunchRlimit& limit : context.rlimits) {
    for (const auto& [name, label] : kLimits) {
      if (name == limit.resource) {
        asked->limits[std::string(label)] = limit.value;
      }
    }
  }
  asked->nice = context.nice.value_or(asked->nice);
  asked->oom_score = context.oom_score_adj.value_or(asked->oom_score);
  if (!context.cpu_affinity.empty()) {
    asked->affinity = AsKernel(context.cpu_affinity);
  }
  asked->cpu_weight = context.cgroup.cpu_weight;
  for (const auto& [name, unused] : context.environment) {
    asked->variables.insert(name);
  }
  asked->selinux = context.selinux.value;
  asked->apparmor = context.apparmor.value;
  asked->landlock_required = context.landlock == LandlockMode::kRequired;
}

}  // namespace

AskedContext AskedOf(const LaunchPlan& plan, const GuestProcess& process) {
  AskedContext asked;
  asked.process = process;
  if (!plan.argv.empty()) asked.binary = plan.argv[0];
  asked.memory_bytes = plan.limits.memory_bytes;
  asked.pids = plan.limits.pids;
  asked.cpu_millis = plan.limits.cpu_millis;
  // Of a uid that others may have the kernel would count theirs, too.
  if (plan.context.identity == IdentityKind::kPool) {
    asked.limits["Max processes"] = plan.limits.pids;
  }
  asked.files = static_cast<int64_t>(plan.images.size() + plan.overlays.size());
  if (plan.kvm) asked.devices.insert("/dev/kvm");
  if (!plan.taps.empty()) asked.devices.insert("/dev/net/tun");
  AskFor(plan.guest, plan.context, &asked);
  return asked;
}

AskedContext AskedWithoutPlan(const std::string& id,
                              const LaunchContext& context,
                              const GuestProcess& process,
                              const std::string& why) {
  AskedContext asked;
  asked.process = process;
  asked.no_plan = why;
  AskFor(id, context, &asked);
  return asked;
}

}  // namespace innkeeper
