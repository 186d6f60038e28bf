#include "cli/tcp_probe.h"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "base/unique_fd.h"

namespace innkeeper {
namespace {

std::string ErrnoText(int error) {
  char buffer[128];
  return strerror_r(error, buffer, sizeof(buffer));
}

// Empty on success, else why not.
std::string TryConnect(const sockaddr* address, socklen_t size,
                       absl::Duration timeout) {
  const UniqueFd fd(socket(address->sa_family,
                           SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return ErrnoText(errno);
  if (connect(fd.get(), address, size) == 0) return "";
  if (errno != EINPROGRESS) return ErrnoText(errno);
  pollfd waiting = {fd.get(), POLLOUT, 0};
  if (poll(&waiting, 1, static_cast<int>(absl::ToInt64Milliseconds(timeout))) !=
      1) {
    return absl::StrCat("no answer within ", absl::FormatDuration(timeout));
  }
  int error = 0;
  socklen_t error_size = sizeof(error);
  if (getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &error_size) != 0) {
    error = errno;
  }
  return error == 0 ? "" : ErrnoText(error);
}

absl::Status ProbeUnix(absl::string_view path, absl::Duration timeout) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", path, "' cannot be the path of a socket"));
  }
  memcpy(address.sun_path, path.data(), path.size());
  const std::string fault = TryConnect(
      reinterpret_cast<const sockaddr*>(&address), sizeof(address), timeout);
  if (fault.empty()) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(path, ": ", fault));
}

}  // namespace

absl::Status ProbeListener(absl::string_view address, absl::Duration timeout) {
  absl::string_view path = address;
  if (absl::ConsumePrefix(&path, "unix:")) return ProbeUnix(path, timeout);
  const size_t colon = address.rfind(':');
  if (colon == absl::string_view::npos || colon == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", address, "' is no host:port"));
  }
  absl::string_view host = address.substr(0, colon);
  if (absl::ConsumePrefix(&host, "[")) absl::ConsumeSuffix(&host, "]");
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int failed = getaddrinfo(std::string(host).c_str(),
                                 std::string(address.substr(colon + 1)).c_str(),
                                 &hints, &list);
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(list,
                                                             freeaddrinfo);
  if (failed != 0) {
    return absl::UnavailableError(
        absl::StrCat("'", host, "': ", gai_strerror(failed)));
  }
  std::string fault;
  for (const addrinfo* one = list; one != nullptr; one = one->ai_next) {
    fault = TryConnect(one->ai_addr, one->ai_addrlen, timeout);
    if (fault.empty()) return absl::OkStatus();
  }
  return absl::UnavailableError(absl::StrCat(address, ": ", fault));
}

}  // namespace innkeeper
