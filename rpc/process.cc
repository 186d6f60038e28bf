#include "rpc/process.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <string>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "auth/tls_init.h"
#include "base/failpoint.h"
#include "base/flag_arguments.h"
#include "base/log.h"
#include "base/unique_fd.h"
#include "base/version.h"

ABSL_FLAG(std::string, config, "",
          "The configuration: agent_config.proto or server_config.proto in "
          "text format.");
ABSL_FLAG(bool, check_config, false,
          "Check the configuration, say what is wrong with it, and exit.");
ABSL_FLAG(bool, version, false, "Print the version and exit.");
ABSL_FLAG(bool, list_failpoints, false, "Print the failpoints and exit.");

namespace innkeeper {
namespace {

// Descriptor that becomes readable when the process is asked to stop. Made
// before any thread, so that all of them leave the signals to it.
UniqueFd BlockStopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  return UniqueFd(signalfd(-1, &signals, SFD_CLOEXEC));
}

void AwaitReadable(int fd) {
  pollfd waiting = {fd, POLLIN, 0};
  while (poll(&waiting, 1, -1) < 0 && errno == EINTR) {
  }
}

int Fail(const ProcessInfo& info, const absl::Status& status) {
  LogError(absl::StrCat(info.noun, ".failed"), {{"error", status.message()}});
  return 1;
}

int Serve(const ProcessInfo& info) {
  const UniqueFd stop = BlockStopSignals();
  if (const absl::Status status = InitTls(); !status.ok()) {
    return Fail(info, status);
  }
  const std::string path = absl::GetFlag(FLAGS_config);
  absl::StatusOr<std::unique_ptr<Process>> process = info.configure(path);
  if (!process.ok()) return Fail(info, process.status());
  if (absl::GetFlag(FLAGS_check_config)) {
    printf("%s is good\n", path.c_str());
    return 0;
  }
  if (const absl::Status status = (*process)->Start(); !status.ok()) {
    _exit(Fail(info, status));
  }
  AwaitReadable(stop.get());
  (*process)->Stop();
  LogInfo(absl::StrCat(info.noun, ".stopped"), {{"why", "asked to"}});
  _exit(0);
}

}  // namespace

int RunProcess(int argc, char** argv, const ProcessInfo& info) {
  absl::SetProgramUsageMessage(info.usage);
  FlagArguments arguments(argc, argv);
  absl::ParseCommandLine(arguments.count(), arguments.values());
  if (absl::GetFlag(FLAGS_version)) {
    printf("innkeeper-%s %s\n", info.noun.c_str(), kVersion);
    return 0;
  }
  if (absl::GetFlag(FLAGS_list_failpoints)) {
    for (const absl::string_view name : ListFailpoints()) {
      printf("%s\n", std::string(name).c_str());
    }
    return 0;
  }
  return Serve(info);
}

}  // namespace innkeeper
