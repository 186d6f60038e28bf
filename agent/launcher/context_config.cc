#include "agent/launcher/context_config.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "agent/launch/capability_name.h"
#include "agent/launch/context_offer.h"
#include "agent/launch/launch_context.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/status_macros.h"

namespace innkeeper {
namespace {

constexpr size_t kMaxIdentityGroups = 16;
// Whoever has one of these can leave the jail or become root in it.
constexpr absl::string_view kUndoing[] = {"setgid",
                                          "setuid",
                                          "setpcap",
                                          "setfcap",
                                          "sys_admin",
                                          "sys_module",
                                          "sys_rawio",
                                          "sys_ptrace",
                                          "sys_boot",
                                          "mac_override",
                                          "mac_admin",
                                          "dac_override",
                                          "chown",
                                          "fowner",
                                          "mknod",
                                          "sys_chroot",
                                          "bpf",
                                          "perfmon",
                                          "checkpoint_restore"};

absl::Status Invalid(absl::string_view flag, absl::string_view why) {
  return Error(absl::StatusCode::kInvalidArgument, reason::kConfigInvalid,
               absl::StrCat(flag, ": ", why));
}

bool ParseId(absl::string_view text, uint32_t* id) {
  // SimpleAtoi takes blanks and signs.
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), absl::ascii_isdigit) &&
         absl::SimpleAtoi(text, id);
}

absl::StatusOr<Credentials> ParseIds(absl::string_view flag,
                                     absl::string_view text) {
  Credentials credentials;
  const std::vector<absl::string_view> ids = absl::StrSplit(text, ':');
  bool good = ids.size() >= 2 && ids.size() <= 2 + kMaxIdentityGroups &&
              ParseId(ids[0], &credentials.uid) &&
              ParseId(ids[1], &credentials.gid);
  for (size_t i = 2; good && i < ids.size(); ++i) {
    credentials.groups.emplace_back();
    good = ParseId(ids[i], &credentials.groups.back());
  }
  if (!good) {
    return Invalid(flag,
                   absl::StrCat("'", text, "' must be UID:GID and at most ",
                                kMaxIdentityGroups, " more :GROUP"));
  }
  return credentials;
}

// NAME and VALUE of each of `flags`.
absl::StatusOr<std::map<std::string, std::string>> SplitPairs(
    absl::string_view flag, const std::vector<std::string>& values) {
  std::map<std::string, std::string> pairs;
  for (const std::string& value : values) {
    const std::vector<std::string> parts =
        absl::StrSplit(value, absl::MaxSplits('=', 1));
    if (parts.size() != 2) {
      return Invalid(flag, absl::StrCat("'", value, "' must be NAME=VALUE"));
    }
    if (!pairs.emplace(parts[0], parts[1]).second) {
      return Invalid(flag, absl::StrCat("'", parts[0], "' is given twice"));
    }
  }
  return pairs;
}

absl::StatusOr<std::map<std::string, Credentials>> ParseIdentities(
    absl::string_view flag, const std::vector<std::string>& values) {
  std::map<std::string, Credentials> identities;
  ASSIGN_OR_RETURN(const auto pairs, SplitPairs(flag, values));
  for (const auto& [name, ids] : pairs) {
    ASSIGN_OR_RETURN(identities[name], ParseIds(flag, ids));
  }
  return identities;
}

// Collects faults of one configuration.
class Checker {
 public:
  explicit Checker(const ForbiddenIds& forbidden) : forbidden_(forbidden) {}

  void CheckName(absl::string_view flag, absl::string_view name) {
    if (IsContextPartName(name)) return;
    Add(flag,
        absl::StrCat("name '", name, "' must match [a-z0-9][a-z0-9._-]{0,62}"));
  }

  void CheckCount(absl::string_view flag, size_t count) {
    if (count <= kMaxOffered) return;
    Add(flag, absl::StrCat("may be given at most ", kMaxOffered, " times"));
  }

  void CheckIdentity(absl::string_view flag, absl::string_view name,
                     const Credentials& credentials) {
    CheckId(flag, name, "uid", credentials.uid, forbidden_.agent.uid);
    CheckGroup(flag, name, credentials.gid);
    for (const gid_t group : credentials.groups) CheckGroup(flag, name, group);
  }

  void CheckGroup(absl::string_view flag, absl::string_view name, gid_t group) {
    CheckId(flag, name, "gid", group, forbidden_.agent.gid);
  }

  void Add(absl::string_view flag, absl::string_view why) {
    faults_.emplace_back(flag, why);
  }

  std::vector<std::pair<std::string, std::string>> Take() {
    return std::move(faults_);
  }

 private:
  void CheckId(absl::string_view flag, absl::string_view name,
               absl::string_view kind, uint32_t id, uint32_t agents) {
    const auto refuse = [&](absl::string_view why) {
      Add(flag, absl::StrCat("'", name, "' must not have ", kind, " ", id, ", ",
                             why));
    };
    if (id == 0) refuse("root's");
    if (id == UINT32_MAX) refuse("which is none");
    if (id == agents) refuse("the agent's");
    if (id >= forbidden_.base && id - forbidden_.base < forbidden_.count) {
      refuse("one of the guests' range");
    }
  }

  const ForbiddenIds& forbidden_;
  std::vector<std::pair<std::string, std::string>> faults_;
};

}  // namespace

absl::StatusOr<ContextConfig> ParseContextFlags(const ContextFlags& flags) {
  ContextConfig config;
  ASSIGN_OR_RETURN(config.identities,
                   ParseIdentities("--identity", flags.identities));
  ASSIGN_OR_RETURN(config.owners,
                   ParseIdentities("--owner-identity", flags.owner_identities));
  ASSIGN_OR_RETURN(const auto groups,
                   SplitPairs("--context-group", flags.groups));
  for (const auto& [name, gid] : groups) {
    if (!ParseId(gid, &config.groups[name])) {
      return Invalid("--context-group",
                     absl::StrCat("'", gid, "' must be a number"));
    }
  }
  ASSIGN_OR_RETURN(config.roots, SplitPairs("--root", flags.roots));
  config.capabilities.insert(flags.capabilities.begin(),
                             flags.capabilities.end());
  config.least_nice = flags.least_nice;
  return config;
}

std::vector<std::pair<std::string, std::string>> FindContextConfigFaults(
    const ContextConfig& config, const ForbiddenIds& forbidden) {
  Checker checker(forbidden);
  checker.CheckCount("--identity", config.identities.size());
  for (const auto& [name, credentials] : config.identities) {
    checker.CheckName("--identity", name);
    checker.CheckIdentity("--identity", name, credentials);
  }
  checker.CheckCount("--owner-identity", config.owners.size());
  for (const auto& [name, credentials] : config.owners) {
    absl::string_view user = name;
    if (!absl::ConsumePrefix(&user, "user/") || !IsContextPartName(user)) {
      checker.Add("--owner-identity",
                  absl::StrCat("'", name, "' must be user/NAME"));
    }
    checker.CheckIdentity("--owner-identity", name, credentials);
  }
  checker.CheckCount("--context-group", config.groups.size());
  for (const auto& [name, gid] : config.groups) {
    checker.CheckName("--context-group", name);
    checker.CheckGroup("--context-group", name, gid);
  }
  checker.CheckCount("--root", config.roots.size());
  for (const auto& [name, unused] : config.roots) {
    checker.CheckName("--root", name);
  }
  for (const std::string& name : config.capabilities) {
    if (std::find(std::begin(kUndoing), std::end(kUndoing), name) !=
        std::end(kUndoing)) {
      checker.Add("--allow-capability",
                  absl::StrCat("'", name, "' would undo the jail"));
      continue;
    }
    if (CapabilityNumber(name).has_value()) continue;
    checker.Add(
        "--allow-capability",
        absl::StrCat("'", name, "' is no capability; \"net_admin\" is one"));
  }
  if (config.least_nice < -20 || config.least_nice > 0) {
    checker.Add("--least-nice", "must be from -20 to 0");
  }
  return checker.Take();
}

}  // namespace innkeeper
