// What happens between clone3 and exec, in the guest's own processes.
#ifndef INNKEEPER_AGENT_LAUNCHER_JAIL_H_
#define INNKEEPER_AGENT_LAUNCHER_JAIL_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/launcher/credentials.h"
#include "agent/launcher/fd_table.h"
#include "agent/launcher/mounts.h"
#include "agent/launcher/rlimits.h"
#include "agent/launcher/security_label.h"

namespace innkeeper {

// Everything that the processes need, made before they are. The descriptors
// belong to the caller.
struct JailSpec {
  std::string hostname;  // Empty: the host's is left alone.
  RootSpec root;
  int64_t max_processes = 0;  // 0: as many as the control group allows.
  int status_channel = -1;
  std::vector<int> cgroups;  // To enter, by EnterCgroup().
  int network = -1;          // To enter, by EnterNetNamespace(); or -1.
  int user_namespace = -1;   // QEMU's, by EnterUserNamespace(); or -1.
  bool own_cgroup_namespace = true;
  std::optional<int> oom_score;  // As for SetOomScore().

  // Of each file that QEMU writes.
  int64_t max_file_bytes = 0;
  std::vector<std::string> argv;
  std::vector<std::string> environment;  // "NAME=value", beside the usual.
  Credentials qemu;
  std::vector<Rlimit> qemu_limits;
  int nice = 0;
  std::vector<int> cpus;  // None: all.
  SecurityLabels labels;
  uint32_t landlock_abi = 0;      // 0: no Landlock.
  std::vector<FdPlace> qemu_fds;  // Beside standard input, output and error.
  std::vector<int> listeners;     // Of qemu_fds' `to`: sockets to listen on.
  int output = -1;                // Where QEMU's output and error go.

  Credentials keeper;
  std::vector<FdPlace> keeper_fds;
  bool keeper_has_console = false;
  int keeper_binary = -1;
};

// The places of the keeper's descriptors; keeper_main.cc reads them.
inline constexpr int kKeeperLogDir = 3;
inline constexpr int kKeeperErrors = 4;
inline constexpr int kKeeperConsole = 5;
inline constexpr int kKeeperListener = 6;
inline constexpr int kKeeperBinary = 7;

// Runs every step of kInit, kQemu and kKeeper in kLaunchSteps, in the process
// that clone3 made: the calling process becomes the keeper, a child of it QEMU.
// A step that fails is reported on the status channel and the process exits.
[[noreturn]] void RunJail(const JailSpec& spec);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_JAIL_H_
