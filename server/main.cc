// innkeeper-server: makes one cluster of many hosts. Wiring only.
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string>
#include <utility>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "auth/tls_init.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/unique_fd.h"
#include "base/version.h"
#include "server/config/server_config.h"
#include "server/server.h"

ABSL_FLAG(std::string, config, "",
          "The configuration: server_config.proto in text format.");
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

int Fail(const absl::Status& status) {
  LogError("server.failed", {{"error", status.message()}});
  return 1;
}

int Run() {
  const UniqueFd stop = BlockStopSignals();
  if (const absl::Status status = InitTls(); !status.ok()) return Fail(status);
  absl::StatusOr<ServerConfig> config =
      ReadServerConfig(absl::GetFlag(FLAGS_config));
  if (!config.ok()) return Fail(config.status());
  if (absl::GetFlag(FLAGS_check_config)) {
    printf("%s is good\n", absl::GetFlag(FLAGS_config).c_str());
    return 0;
  }
  absl::StatusOr<std::unique_ptr<Server>> server =
      Server::Start(*std::move(config));
  if (!server.ok()) return Fail(server.status());
  (*server)->RunUntil(stop.get());
  LogInfo("server.stopped", {{"why", "asked to"}});
  // What matters is in the store, and operations go on from there: the end of
  // the process is the end of everything else.
  _exit(0);
}

}  // namespace
}  // namespace innkeeper

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("Serves the guests of all hosts of a cluster.");
  absl::ParseCommandLine(argc, argv);
  if (absl::GetFlag(FLAGS_version)) {
    printf("innkeeper-server %s\n", innkeeper::kVersion);
    return 0;
  }
  if (absl::GetFlag(FLAGS_list_failpoints)) {
    for (const absl::string_view name : innkeeper::ListFailpoints()) {
      printf("%s\n", std::string(name).c_str());
    }
    return 0;
  }
  return innkeeper::Run();
}
