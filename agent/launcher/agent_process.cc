#include "agent/launcher/agent_process.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "agent/launcher/credentials.h"
#include "agent/launcher/fd_table.h"
#include "agent/launcher/protocol.h"
#include "agent/launcher/rlimits.h"
#include "base/error.h"
#include "base/log.h"
#include "base/unique_fd.h"

namespace innkeeper {
namespace {

constexpr absl::Duration kFirstBackOff = absl::Milliseconds(200);
constexpr absl::Duration kLongestBackOff = absl::Seconds(10);
constexpr absl::Duration kGoodRun = absl::Seconds(30);
// Room for requests that wait while a launch runs.
constexpr int kSocketBufferBytes = 1 << 20;

}  // namespace

absl::Status AgentProcess::Start(absl::Time now) {
  started_ = now;
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return ErrnoError(errno, "make the agent's socketpair");
  }
  UniqueFd own(ends[0]);
  const UniqueFd agents(ends[1]);
  for (const int end : ends) {
    setsockopt(end, SOL_SOCKET, SO_SNDBUF, &kSocketBufferBytes,
               sizeof(kSocketBufferBytes));
  }
  const pid_t pid = fork();
  if (pid < 0) return ErrnoError(errno, "fork");
  if (pid == 0) Exec(agents.get());
  pid_ = pid;
  socket_ = std::move(own);
  LogInfo("agent.started", {{"pid", pid}});
  return absl::OkStatus();
}

void AgentProcess::Exec(int socket) const {
  for (int number = 1; number < NSIG; ++number) signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
  // Its standard output may be root's terminal: in root's session it could type
  // there.
  absl::Status status =
      setsid() < 0 ? ErrnoError(errno, "setsid") : absl::OkStatus();
  status.Update(ArrangeFds({{null, STDIN_FILENO},
                            {STDOUT_FILENO, STDOUT_FILENO},
                            {STDERR_FILENO, STDERR_FILENO},
                            {socket, kLauncherFdNumber}},
                           socket));
  // It holds private keys.
  status.Update(ForbidCores());
  status.Update(DropTo(config_.agent_credentials));
  if (status.ok()) {
    setenv(kLauncherFdVariable, absl::StrCat(kLauncherFdNumber).c_str(), 1);
    std::vector<char*> argv = {const_cast<char*>(config_.agent.c_str())};
    for (const std::string& argument : config_.agent_args) {
      argv.push_back(const_cast<char*>(argument.c_str()));
    }
    argv.push_back(nullptr);
    execv(argv[0], argv.data());
    status = ErrnoError(errno, absl::StrCat("execute ", argv[0]));
  }
  LogError("agent.not_started", {{"error", status.message()}});
  _exit(127);
}

void AgentProcess::Signal(int signal) const {
  if (pid_ > 0) kill(pid_, signal);
}

void AgentProcess::Ended(absl::Time now) {
  pid_ = 0;
  socket_.reset();
  if (now - started_ >= kGoodRun) back_off_ = kFirstBackOff;
  next_start_ = now + back_off_;
  back_off_ = std::min(2 * back_off_, kLongestBackOff);
}

}  // namespace innkeeper
