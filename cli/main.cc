// inn: the command line of Innkeeper.

#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "auth/tls_init.h"
#include "cli/app.h"
#include "cli/environment.h"
#include "cli/errors.h"
#include "cli/exit_code.h"
#include "cli/interrupt.h"

namespace {

std::optional<std::string> Variable(const std::string& name) {
  const char* value = getenv(name.c_str());
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

}  // namespace

int main(int argc, char** argv) {
  if (const absl::Status tls = innkeeper::InitTls(); !tls.ok()) {
    std::cerr << innkeeper::ErrorText("", tls);
    return static_cast<int>(innkeeper::ExitCode::kFailed);
  }
  // Every thread, gRPC's too, leaves these to the one below.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);

  // Outlives main, because the thread below does.
  static auto* const interrupt = new innkeeper::Interrupt();
  std::thread([signals] {
    int number = 0;
    sigwait(&signals, &number);
    interrupt->Raise();
    // The second time it is meant.
    sigwait(&signals, &number);
    _exit(128 + number);
  }).detach();

  innkeeper::Environment environment;
  environment.variable = Variable;
  environment.out = &std::cout;
  environment.err = &std::cerr;
  environment.input = STDIN_FILENO;
  environment.input_is_terminal = isatty(STDIN_FILENO) == 1;
  environment.output_is_terminal = isatty(STDOUT_FILENO) == 1;
  environment.error_is_terminal = isatty(STDERR_FILENO) == 1;
  environment.interrupt = interrupt;
  return static_cast<int>(innkeeper::RunInn(
      std::vector<std::string>(argv + 1, argv + argc), environment));
}
