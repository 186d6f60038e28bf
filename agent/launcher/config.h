// What the launcher was told at its start. Nothing of it changes later.
#ifndef INNKEEPER_AGENT_LAUNCHER_CONFIG_H_
#define INNKEEPER_AGENT_LAUNCHER_CONFIG_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/launcher/context_config.h"
#include "agent/launcher/credentials.h"
#include "agent/launcher/network_config.h"

namespace innkeeper {

// The two files of one kind of UEFI firmware. Empty: guests cannot have it.
struct FirmwareFiles {
  std::string code;
  std::string variables;  // What a guest's own begin as.

  bool installed() const { return !code.empty(); }
};

struct LauncherConfig {
  std::string instance;
  std::string agent;                    // The agent's binary.
  std::vector<std::string> agent_args;  // Without the binary.
  std::string agent_user;               // As given: a name, or UID:GID.
  Credentials agent_credentials;        // What ResolveUser() made of it.
  std::string run_dir;
  std::string state_dir;
  std::map<std::string, std::string> pools;  // Name to directory.
  // Name to what ReadBlockSource() takes.
  std::map<std::string, std::string> block_pools;
  std::string dev_dir;  // Where the nodes of block devices are.
  std::vector<std::string> qemus;
  std::string keeper;
  std::map<std::string, NetworkConfig> networks;  // By name.
  std::string nft;                                // Only for networks.
  uint32_t uid_base = 0;
  uint32_t uid_count = 0;
  int max_guests = 0;
  // Of each file that a guest writes, whatever the agent asks for.
  int64_t max_file_bytes = 0;
  std::string cgroup_parent;
  ContextConfig context;  // What contexts may name.
  FirmwareFiles uefi;
  FirmwareFiles secure_boot;
};

// "NAME" of the user database, with its groups, or "UID:GID", with none.
// INVALID_ARGUMENT (CONFIG_INVALID) if there is no such user or it is root.
absl::StatusOr<Credentials> ResolveUser(absl::string_view user);

// Fills in what follows from the instance's name where it was not given.
void SetDefaults(LauncherConfig& config);

// "CODE,VARIABLES", or nothing. Files that this host does not have give what
// nothing gives: to install firmware is no duty. INVALID_ARGUMENT
// (CONFIG_INVALID) if `text` is neither.
absl::StatusOr<FirmwareFiles> ParseFirmware(absl::string_view text);

// INVALID_ARGUMENT (CONFIG_INVALID) with every fault as a field violation named
// by its flag. A path that another user could change is a fault: whoever can
// replace the agent, a QEMU, the keeper or a pool chooses what root starts or
// opens. Directories to be made need not exist, but what leads to them counts.
absl::Status CheckConfig(const LauncherConfig& config);

// OK if every element of `path`, which is absolute, belongs to root and nobody
// else may write it. Above the last element a sticky directory (/tmp) will do:
// in it, only root can rename what is root's. The same holds for every link on
// the way and for what leads to its target.
absl::Status CheckRootOwned(const std::string& path);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_CONFIG_H_
