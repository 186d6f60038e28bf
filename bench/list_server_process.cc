#include "bench/list_server_process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "bench/report.h"

namespace innkeeper {

ListServerProcess::ListServerProcess(const std::string& binaries,
                                     const TlsFiles& files, bool bare,
                                     int guests) {
  int input[2];
  int output[2];
  if (pipe2(input, O_CLOEXEC) != 0 || pipe2(output, O_CLOEXEC) != 0) {
    Require(ErrnoError(errno, "pipe"), "list_server");
  }
  const UniqueFd child_input(input[0]);
  UniqueFd child_output(output[1]);
  input_.reset(input[1]);
  const UniqueFd answer(output[0]);
  std::vector<std::string> arguments = {
      binaries + "/bench/list_server",           absl::StrCat("--bare=", bare),
      absl::StrCat("--guests=", guests),         "--ca=" + files.ca_path,
      "--certificate=" + files.certificate_path, "--key=" + files.key_path};
  std::vector<char*> argv;
  argv.reserve(arguments.size() + 1);
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, child_input.get(), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, child_output.get(), STDOUT_FILENO);
  const int error =
      posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) Require(ErrnoError(error, argv[0]), "list_server");
  child_output.reset();
  char byte;
  while (read(answer.get(), &byte, 1) == 1 && byte != '\n') address_ += byte;
  if (address_.empty()) {
    Require(absl::UnavailableError("does not serve"), "list_server");
  }
}

ListServerProcess::~ListServerProcess() {
  input_.reset();
  waitpid(pid_, nullptr, 0);
}

}  // namespace innkeeper
