#include "bench/raw_qemu.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "bench/report.h"

namespace innkeeper {
namespace {

void RequireCall(bool good, const char* what) {
  if (!good) Require(ErrnoError(errno, what), "raw QEMU");
}

sockaddr_un AddressOf(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  return address;
}

UniqueFd Listen(const std::string& path) {
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_un address = AddressOf(path);
  unlink(path.c_str());
  RequireCall(bind(fd.get(), reinterpret_cast<const sockaddr*>(&address),
                   sizeof(address)) == 0 &&
                  listen(fd.get(), 4) == 0,
              "listen");
  return fd;
}

}  // namespace

RawQemu::RawQemu(const RawPlan& plan, const std::string& dir,
                 const std::string& name) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  for (const auto& [number, what] : plan.descriptors) {
    UniqueFd fd;
    if (what == "memory") {
      fd.reset(memfd_create("ram", MFD_CLOEXEC));
      RequireCall(ftruncate(fd.get(), plan.memory_bytes) == 0, "memory");
    } else if (what == "serial console") {
      int ends[2];
      RequireCall(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0,
                  "socketpair");
      fd.reset(ends[0]);
      held_.emplace_back(ends[1]);
    } else {
      const std::string path = absl::StrCat(dir, "/", name, ".", number);
      fd = Listen(path);
      if (what == "monitor") monitor_path_ = path;
    }
    // Away from the numbers that they go to.
    held_.emplace_back(fcntl(fd.get(), F_DUPFD_CLOEXEC, 100));
    posix_spawn_file_actions_adddup2(&actions, held_.back().get(), number);
  }
  std::vector<char*> argv;
  for (const std::string& argument : plan.argv) {
    argv.push_back(const_cast<char*>(argument.c_str()));
  }
  argv.push_back(nullptr);
  RequireCall(
      posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environ) == 0,
      "posix_spawn");
  posix_spawn_file_actions_destroy(&actions);
}

RawQemu::~RawQemu() {
  if (pid_ != 0) Kill();
}

void RawQemu::Greet() {
  monitor_.reset(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_un address = AddressOf(monitor_path_);
  RequireCall(
      connect(monitor_.get(), reinterpret_cast<const sockaddr*>(&address),
              sizeof(address)) == 0,
      "connect");
  Execute("qmp_capabilities");
  Execute("query-status");
}

void RawQemu::Send(const std::string& text) {
  RequireCall(write(monitor_.get(), text.data(), text.size()) ==
                  static_cast<ssize_t>(text.size()),
              "write");
}

void RawQemu::Execute(const std::string& command) {
  received_.clear();
  Send(absl::StrCat("{\"execute\":\"", command, "\"}\n"));
  while (!absl::StrContains(received_, "\"return\"")) {
    char buffer[4096];
    const ssize_t size = read(monitor_.get(), buffer, sizeof(buffer));
    RequireCall(size > 0, "read");
    received_.append(buffer, static_cast<size_t>(size));
  }
}

void RawQemu::Quit() {
  Send("{\"execute\":\"quit\"}\n");
  Reap();
}

void RawQemu::Kill() {
  kill(pid_, SIGKILL);
  Reap();
}

void RawQemu::Reap() {
  RequireCall(waitpid(pid_, nullptr, 0) == pid_, "waitpid");
  pid_ = 0;
}

}  // namespace innkeeper
