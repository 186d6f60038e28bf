// The parts of a context as options and files.
#ifndef INNKEEPER_CLI_COMMAND_CONTEXT_FLAGS_H_
#define INNKEEPER_CLI_COMMAND_CONTEXT_FLAGS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "CLI/App.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/message.h"
#include "innkeeper/v1/contexts.pb.h"

namespace innkeeper {

// As typed.
struct ContextFlags {
  std::string identity;
  std::vector<std::string> groups;
  std::string selinux;
  std::string apparmor;
  std::vector<std::string> namespaces;
  std::string root;
  std::vector<std::string> capabilities;
  std::vector<std::string> seccomp;
  std::string landlock;
  std::string slice;
  int64_t cpu_millis = 0;
  int32_t pids = 0;
  std::vector<std::string> rlimits;
  std::optional<int32_t> nice;
  std::string affinity;
  std::optional<int32_t> oom_score;
  std::vector<std::string> environment;
};

void AddContextFlags(CLI::App* app, ContextFlags* flags);

// Puts what was given on top of `spec`. INVALID_ARGUMENT with a field violation
// for every option that cannot be read; what they say is for the service to
// judge.
absl::Status ApplyContextFlags(const ContextFlags& flags,
                               v1::ContextSpec* spec);

// Reads `message` as JSON from `path`, or from `input` where that is "-", at
// most 64 KiB. INVALID_ARGUMENT, naming the path, if it is none.
absl::Status ReadJsonFile(const std::string& path, int input,
                          google::protobuf::Message* message);

}  // namespace innkeeper

#endif  // INNKEEPER_CLI_COMMAND_CONTEXT_FLAGS_H_
