#include "agent/launch/context_offer.h"

#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "agent/launch/launch_context.h"
#include "base/error.h"
#include "base/reason.h"

namespace innkeeper {
namespace {

// Collects what is not to be had.
class Finder {
 public:
  Finder(const LaunchContext& context, const ContextOffer& offer)
      : context_(context), offer_(offer) {}

  std::vector<ContextFault> Run(absl::string_view owner) {
    FindIdentity(owner);
    FindLabels();
    FindNamespaces();
    FindLimits();
    if (!context_.root.empty()) {
      Need(offer_.roots.count(context_.root) != 0, "root",
           absl::StrCat("'", context_.root,
                        "' is no root of the launcher's flag --root"));
    }
    for (const std::string& name : context_.capabilities) {
      Need(offer_.capabilities.count(name) != 0, "capabilities",
           absl::StrCat("'", name,
                        "' is not allowed by the launcher's flag "
                        "--allow-capability"));
    }
    Need(
        context_.landlock != LandlockMode::kRequired || offer_.landlock_abi > 0,
        "landlock", "the kernel has no Landlock, or it is not enabled");
    return std::move(missing_);
  }

 private:
  void Need(bool given, absl::string_view field, absl::string_view why) {
    if (!given) missing_.push_back({std::string(field), std::string(why)});
  }

  void FindIdentity(absl::string_view owner) {
    if (context_.identity == IdentityKind::kNamed) {
      Need(offer_.identities.count(context_.identity_name) != 0,
           "identity.name",
           absl::StrCat("'", context_.identity_name,
                        "' is no identity of the launcher's flag --identity"));
    }
    if (context_.identity == IdentityKind::kOwner) {
      Need(offer_.owners.count(std::string(owner)) != 0, "identity.kind",
           absl::StrCat("'", owner,
                        "' has no identity by the launcher's flag "
                        "--owner-identity"));
    }
    for (const std::string& group : context_.groups) {
      Need(offer_.groups.count(group) != 0, "groups",
           absl::StrCat("'", group,
                        "' is not allowed by the launcher's flag "
                        "--context-group"));
    }
  }

  void FindLabels() {
    Need(context_.selinux.value.empty() || offer_.selinux, "selinux",
         "SELinux is not enabled on this host");
    Need(context_.apparmor.value.empty() || offer_.apparmor, "apparmor",
         "AppArmor is not enabled on this host");
    Need(!context_.apparmor.unique, "apparmor.unique",
         "the launcher loads no profiles; name one that is loaded");
  }

  void FindNamespaces() {
    const LaunchNamespaces& namespaces = context_.namespaces;
    Need(namespaces.user == NamespaceMode::kHost || offer_.user_namespaces,
         "namespaces.user", "the kernel makes no user namespaces");
    Need(namespaces.time == NamespaceMode::kHost || offer_.time_namespaces,
         "namespaces.time", "the kernel has no time namespaces");
    if (namespaces.network == NamespaceMode::kNamed && offer_.networks) {
      Need(offer_.networks->count(namespaces.network_name) != 0,
           "namespaces.network.name",
           absl::StrCat("there is no network namespace /run/netns/",
                        namespaces.network_name,
                        " of root's; make it with 'ip netns add'"));
    }
  }

  void FindLimits() {
    for (const LaunchRlimit& limit : context_.rlimits) {
      const auto most = offer_.rlimits.find(limit.resource);
      Need(most != offer_.rlimits.end() && limit.value <= most->second,
           "rlimits",
           absl::StrCat(limit.resource, " of ", limit.value, " is above the ",
                        most == offer_.rlimits.end() ? 0 : most->second,
                        " that the launcher has itself"));
    }
    Need(context_.nice.value_or(0) >= offer_.least_nice, "nice",
         absl::StrCat("is below ", offer_.least_nice,
                      ", the launcher's flag --least-nice"));
    Need(context_.oom_score_adj.value_or(INT32_MAX) >=
             offer_.least_oom_score_adj,
         "oom_score_adj",
         absl::StrCat("is below ", offer_.least_oom_score_adj,
                      ", the launcher's own"));
    const std::vector<int> cpus =
        ParseCpuList(offer_.cpus).value_or(std::vector<int>());
    const std::vector<int> wanted =
        ParseCpuList(context_.cpu_affinity).value_or(std::vector<int>());
    Need(std::includes(cpus.begin(), cpus.end(), wanted.begin(), wanted.end()),
         "cpu_affinity",
         absl::StrCat("has processors beside ", offer_.cpus,
                      ", those of the launcher"));
    const LaunchCgroup& cgroup = context_.cgroup;
    Need(offer_.io_limits || (cgroup.io_read_bytes_per_second == 0 &&
                              cgroup.io_write_bytes_per_second == 0 &&
                              cgroup.io_reads_per_second == 0 &&
                              cgroup.io_writes_per_second == 0),
         "cgroup.io", "no control group hierarchy limits I/O on this host");
  }

  const LaunchContext& context_;
  const ContextOffer& offer_;
  std::vector<ContextFault> missing_;
};

}  // namespace

std::vector<ContextFault> FindUnavailableParts(const LaunchContext& context,
                                               absl::string_view owner,
                                               const ContextOffer& offer) {
  return Finder(context, offer).Run(owner);
}

absl::Status ContextUnavailable(const std::vector<ContextFault>& parts) {
  if (parts.empty()) return absl::OkStatus();
  std::string message = "this host cannot give the context:";
  for (const ContextFault& part : parts) {
    absl::StrAppend(&message, " ", part.field, ": ", part.why, ";");
  }
  message.back() = '.';
  Error error(absl::StatusCode::kFailedPrecondition,
              reason::kContextUnavailable, message);
  for (const ContextFault& part : parts) {
    error.Precondition(reason::kContextUnavailable,
                       absl::StrCat("context.", part.field), part.why);
  }
  return error;
}

}  // namespace innkeeper
