// What the administrator of a host lets contexts name.
#ifndef INNKEEPER_AGENT_LAUNCHER_CONTEXT_CONFIG_H_
#define INNKEEPER_AGENT_LAUNCHER_CONTEXT_CONFIG_H_

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/launcher/credentials.h"

namespace innkeeper {

// The launcher's flags, as given.
struct ContextFlags {
  std::vector<std::string> identities;        // NAME=UID:GID[:GROUP...]
  std::vector<std::string> owner_identities;  // user/NAME=UID:GID[:GROUP...]
  std::vector<std::string> groups;            // NAME=GID
  std::vector<std::string> roots;             // NAME=DIRECTORY
  std::vector<std::string> capabilities;      // "net_admin"
  int32_t least_nice = 0;
};

// All of it empty: contexts may name nothing.
struct ContextConfig {
  std::map<std::string, Credentials> identities;
  std::map<std::string, Credentials> owners;  // By principal: "user/ada".
  std::map<std::string, gid_t> groups;
  std::map<std::string, std::string> roots;
  std::set<std::string> capabilities;
  int32_t least_nice = 0;
};

// INVALID_ARGUMENT (CONFIG_INVALID) at the first flag that is not of its form
// or is given twice for one name.
absl::StatusOr<ContextConfig> ParseContextFlags(const ContextFlags& flags);

// A range of uids and gids, and single ones, that no identity may have.
struct ForbiddenIds {
  uint32_t base = 0;  // The pool's.
  uint32_t count = 0;
  Credentials agent;
};

// Every fault of `config` as {flag, why}: root's ids, the agent's, the pool's,
// capabilities that are unknown or would undo the jail, names without the
// grammar, too many of a kind. Paths of roots are checked elsewhere, as all
// paths are.
std::vector<std::pair<std::string, std::string>> FindContextConfigFaults(
    const ContextConfig& config, const ForbiddenIds& forbidden);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_CONTEXT_CONFIG_H_
