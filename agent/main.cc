// innkeeper-agent: serves one host's guests. Started by innkeeper-launcher, as
// an unprivileged user. Wiring only.
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "agent/agent.h"
#include "agent/config/agent_config.h"
#include "auth/tls_init.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/unique_fd.h"
#include "base/version.h"

ABSL_FLAG(std::string, config, "",
          "The configuration: agent_config.proto in text format.");
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
  LogError("agent.failed", {{"error", status.message()}});
  return 1;
}

int Run() {
  const UniqueFd stop = BlockStopSignals();
  if (const absl::Status status = InitTls(); !status.ok()) return Fail(status);
  absl::StatusOr<AgentConfig> config =
      ReadAgentConfig(absl::GetFlag(FLAGS_config));
  if (!config.ok()) return Fail(config.status());
  if (absl::GetFlag(FLAGS_check_config)) {
    printf("%s is good\n", absl::GetFlag(FLAGS_config).c_str());
    return 0;
  }
  absl::StatusOr<std::unique_ptr<Agent>> agent =
      Agent::Start(*std::move(config));
  if (!agent.ok()) _exit(1);
  const bool asked = (*agent)->RunUntil(stop.get());
  LogInfo("agent.stopped", {{"why", asked ? "asked to" : "launcher lost"}});
  // Everything that matters is on the disk, and guests live on without us: the
  // end of the process is the end of everything else.
  _exit(asked ? 0 : 1);
}

}  // namespace
}  // namespace innkeeper

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage(
      "Serves the guests of one host. innkeeper-launcher starts it.");
  absl::ParseCommandLine(argc, argv);
  if (absl::GetFlag(FLAGS_version)) {
    printf("innkeeper-agent %s\n", innkeeper::kVersion);
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
