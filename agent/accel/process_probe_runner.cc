#include "agent/accel/process_probe_runner.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "agent/accel/probe_runner.h"
#include "base/completion.h"
#include "base/error.h"
#include "base/event_loop.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace innkeeper {
namespace {

constexpr size_t kOutputBytes = 4096;
// Above the numbers that the child's descriptors get, so that putting one in
// its place never closes another.
constexpr int kFirstSpareFd = 10;

absl::Duration SteadyNow() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return absl::DurationFromTimespec(now);
}

// `fd` under a number of at least kFirstSpareFd. Invalid, with errno, if `fd`
// is or if there are no more.
UniqueFd MoveUp(UniqueFd fd) {
  return UniqueFd(fcntl(fd.get(), F_DUPFD_CLOEXEC, kFirstSpareFd));
}

absl::StatusOr<UniqueFd> MakeImage(const std::string& contents) {
  UniqueFd image = MoveUp(UniqueFd(memfd_create("probe", MFD_CLOEXEC)));
  if (!image.valid()) return ErrnoError(errno, "make the probe's image");
  size_t written = 0;
  while (written < contents.size()) {
    // Leaves the offset at the start, for a child that reads.
    const ssize_t some =
        pwrite(image.get(), contents.data() + written,
               contents.size() - written, static_cast<off_t>(written));
    if (some < 0) return ErrnoError(errno, "write the probe's image");
    written += some;
  }
  return image;
}

// Starts argv with `image` and with `output` as standard error.
absl::StatusOr<pid_t> Spawn(std::vector<std::string> arguments,
                            const UniqueFd& image, const UniqueFd& output) {
  std::vector<char*> argv;
  argv.reserve(arguments.size() + 1);
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  char* environment[] = {nullptr};

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  const auto cleanup = absl::MakeCleanup([&] {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  });
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDWR, 0);
  posix_spawn_file_actions_adddup2(&actions, 0, 1);
  posix_spawn_file_actions_adddup2(&actions, output.get(), 2);
  posix_spawn_file_actions_adddup2(&actions, image.get(), kProbeImageFd);
  posix_spawn_file_actions_addclosefrom_np(&actions, kProbeImageFd + 1);
  sigset_t none;
  sigemptyset(&none);
  sigset_t all;
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);

  pid_t pid;
  const int error = posix_spawn(&pid, argv[0], &actions, &attributes,
                                argv.data(), environment);
  if (error != 0) return ErrnoError(error, absl::StrCat("start ", argv[0]));
  return pid;
}

// One child. Used on the loop only; held by the watch on its pidfd.
class Child : public std::enable_shared_from_this<Child> {
 public:
  Child(EventLoop* loop, Completion<ProbeOutcome> done)
      : loop_(loop), done_(std::move(done)) {}
  ~Child() {
    // Only if the loop has ended first.
    if (pid_ == 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, WNOHANG);
  }

  void Start(ProbeCommand command) {
    const absl::Status status = TryStart(std::move(command));
    if (!status.ok()) done_(status);
  }

 private:
  absl::Status TryStart(ProbeCommand command) {
    ASSIGN_OR_RETURN(const UniqueFd image, MakeImage(command.image));
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return ErrnoError(errno, "make a pipe");
    output_.reset(ends[0]);
    const UniqueFd write_end = MoveUp(UniqueFd(ends[1]));
    if (!write_end.valid()) return ErrnoError(errno, "make a pipe");
    fcntl(output_.get(), F_SETFL, O_NONBLOCK);
    started_ = SteadyNow();
    ASSIGN_OR_RETURN(pid_, Spawn(std::move(command.argv), image, write_end));
    pidfd_.reset(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
    if (!pidfd_.valid()) return ErrnoError(errno, "watch the probe");
    loop_->Watch(pidfd_.get(), EPOLLIN,
                 [self = shared_from_this()](uint32_t) { self->OnExit(); });
    timer_ = loop_->After(command.timeout, [weak = weak_from_this()] {
      const std::shared_ptr<Child> self = weak.lock();
      if (self != nullptr) self->OnTimeout();
    });
    return absl::OkStatus();
  }

  void OnExit() {
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) != pid_) return;
    pid_ = 0;
    loop_->Cancel(timer_);
    loop_->Unwatch(pidfd_.get());
    if (WIFSIGNALED(status)) {
      Finish(ProbeOutcome::End::kSignaled, WTERMSIG(status));
    } else {
      Finish(ProbeOutcome::End::kExited, WEXITSTATUS(status));
    }
  }

  void OnTimeout() {
    kill(pid_, SIGKILL);
    Finish(ProbeOutcome::End::kTimedOut, 0);
  }

  void Finish(ProbeOutcome::End end, int value) {
    // It has timed out before.
    if (!done_) return;
    ProbeOutcome outcome;
    outcome.end = end;
    outcome.value = value;
    outcome.took = SteadyNow() - started_;
    char text[kOutputBytes];
    const ssize_t got = read(output_.get(), text, sizeof(text));
    if (got > 0) outcome.output.assign(text, got);
    output_.reset();
    std::exchange(done_, nullptr)(std::move(outcome));
  }

  EventLoop* const loop_;
  Completion<ProbeOutcome> done_;  // Null once called.
  pid_t pid_ = 0;                  // 0 once reaped.
  UniqueFd pidfd_;
  UniqueFd output_;
  EventLoop::TimerId timer_ = 0;
  absl::Duration started_;
};

}  // namespace

void ProcessProbeRunner::Run(ProbeCommand command,
                             Completion<ProbeOutcome> done) {
  loop_->Post([loop = loop_, command = std::move(command),
               done = std::move(done)]() mutable {
    std::make_shared<Child>(loop, std::move(done))->Start(std::move(command));
  });
}

}  // namespace innkeeper
