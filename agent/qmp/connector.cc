#include "agent/qmp/connector.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/completion.h"
#include "base/error.h"
#include "base/event_loop.h"
#include "base/reason.h"
#include "base/unique_fd.h"

namespace innkeeper {
namespace {

// A QEMU that is just starting listens within milliseconds; one that takes
// longer is not worth more wake-ups.
constexpr absl::Duration kFirstRetry = absl::Milliseconds(1);
constexpr absl::Duration kLongestRetry = absl::Milliseconds(32);

bool IsWorthRetrying(int error) {
  return error == ENOENT || error == ECONNREFUSED || error == EAGAIN;
}

// Fills in `address` for `path`. A path too long for it goes by way of its
// directory, opened into `directory`. 0, or an errno: ENAMETOOLONG if no socket
// can have this path.
int MakeAddress(const std::string& path, sockaddr_un* address,
                UniqueFd* directory) {
  *address = {};
  address->sun_family = AF_UNIX;
  // 0 if there is no slash.
  const size_t last = path.rfind('/') + 1;
  if (last == path.size() || path.find('\0') != std::string::npos) {
    return ENAMETOOLONG;
  }
  std::string name = path;
  if (name.size() >= sizeof(address->sun_path) && last > 0) {
    directory->reset(
        open(path.substr(0, last).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!directory->valid()) return errno;
    name = absl::StrCat("/proc/self/fd/", directory->get(), "/",
                        path.substr(last));
  }
  if (name.size() >= sizeof(address->sun_path)) return ENAMETOOLONG;
  memcpy(address->sun_path, name.data(), name.size());
  return 0;
}

// 0 and a connected socket, or an errno. A unix socket connects at once or not
// at all.
int TryConnect(const std::string& path, UniqueFd* connected) {
  sockaddr_un address;
  UniqueFd directory;
  const int error = MakeAddress(path, &address, &directory);
  if (error != 0) return error;
  connected->reset(
      socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!connected->valid()) return errno;
  return connect(connected->get(), reinterpret_cast<const sockaddr*>(&address),
                 sizeof(address)) == 0
             ? 0
             : errno;
}

absl::Status CheckPeer(const UniqueFd& socket, const std::string& path,
                       const MonitorPeer& expected) {
  ucred actual;
  socklen_t size = sizeof(actual);
  if (getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &actual, &size) != 0) {
    return ErrnoError(errno, absl::StrCat("who listens at ", path));
  }
  if (actual.uid == expected.uid &&
      (!expected.pid.has_value() || actual.pid == *expected.pid)) {
    return absl::OkStatus();
  }
  return Error(absl::StatusCode::kFailedPrecondition, reason::kMonitorProtocol,
               absl::StrCat("the monitor at ", path, " belongs to process ",
                            actual.pid, " of uid ", actual.uid,
                            ", not to the guest's QEMU"))
      .With("path", path)
      .With("pid", absl::StrCat(actual.pid))
      .With("uid", absl::StrCat(actual.uid));
}

// One ConnectMonitor call; owned by its next task on the loop.
struct Connecting {
  EventLoop* loop;
  std::string path;
  MonitorPeer peer;
  absl::Duration timeout;
  absl::Duration left;
  absl::Duration next_delay;
  Completion<UniqueFd> done;
};

absl::Status ConnectError(const Connecting& state, int error) {
  if (error == ENAMETOOLONG) {
    return Error(absl::StatusCode::kInvalidArgument, reason::kInvalidRequest,
                 absl::StrCat("'", state.path, "' cannot be a socket's path"))
        .With("path", state.path);
  }
  if (!IsWorthRetrying(error)) {
    return ErrnoError(
        error, absl::StrCat("cannot connect to the monitor at ", state.path));
  }
  return Error(absl::StatusCode::kDeadlineExceeded, reason::kGuestUnresponsive,
               absl::StrCat("no monitor at ", state.path, " within ",
                            absl::FormatDuration(state.timeout), ": ",
                            strerror(error)))
      .With("path", state.path)
      .With("error", strerror(error));
}

void Try(std::unique_ptr<Connecting> state) {
  UniqueFd connected;
  const int error = TryConnect(state->path, &connected);
  if (error == 0) {
    absl::Status peer = CheckPeer(connected, state->path, state->peer);
    if (peer.ok()) return state->done(std::move(connected));
    return state->done(std::move(peer));
  }
  if (!IsWorthRetrying(error) || state->left <= absl::ZeroDuration()) {
    return state->done(ConnectError(*state, error));
  }
  const absl::Duration delay = std::min(state->next_delay, state->left);
  state->left -= delay;
  state->next_delay = std::min(delay * 2, kLongestRetry);
  EventLoop* const loop = state->loop;
  loop->After(delay,
              [state = std::move(state)]() mutable { Try(std::move(state)); });
}

}  // namespace

void ConnectMonitor(EventLoop* loop, const std::string& path, MonitorPeer peer,
                    absl::Duration timeout, Completion<UniqueFd> done) {
  assert(loop->OnLoopThread());
  auto state = std::make_unique<Connecting>(
      Connecting{loop, path, peer, timeout, /*left=*/timeout, kFirstRetry,
                 std::move(done)});
  loop->Post([state = std::move(state)]() mutable { Try(std::move(state)); });
}

}  // namespace innkeeper
