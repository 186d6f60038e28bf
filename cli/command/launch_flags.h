// The options of `inn launch` and `inn explain`.
#ifndef INNKEEPER_CLI_COMMAND_LAUNCH_FLAGS_H_
#define INNKEEPER_CLI_COMMAND_LAUNCH_FLAGS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "CLI/App.hpp"
#include "absl/status/statusor.h"
#include "cli/command/command_set.h"
#include "innkeeper/v1/guests.pb.h"

namespace innkeeper {

// As typed.
struct LaunchFlags {
  std::string name;
  std::string owner;
  std::string host;
  int32_t vcpus = 1;
  std::string memory = "512M";
  std::string machine;
  std::string accel = "auto";
  std::vector<std::string> disks;
  std::vector<std::string> networks;
  std::string kernel;
  std::string initrd;
  std::string append;
  std::string firmware = "bios";
  std::vector<std::string> labels;
  std::vector<std::string> host_labels;
  bool paused = false;
  std::string context;
  std::string context_file;
};

// All but the name.
void AddLaunchFlags(CommandSet& commands, CLI::App* app, LaunchFlags* flags);

// Without request_id and validate_only. INVALID_ARGUMENT with a field violation
// for every option that cannot be read; what they say is for the service to
// judge.
// `input` is standard input, for a file named "-".
absl::StatusOr<v1::LaunchGuestRequest> ToLaunchRequest(const LaunchFlags& flags,
                                                       int input);

}  // namespace innkeeper

#endif  // INNKEEPER_CLI_COMMAND_LAUNCH_FLAGS_H_
