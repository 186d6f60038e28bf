#include "rpc/listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/status_macros.h"

namespace innkeeper {
namespace {

constexpr int kBacklog = 512;

absl::StatusOr<sockaddr_storage> ParseAddress(absl::string_view address,
                                              socklen_t* length) {
  sockaddr_storage storage{};
  const size_t colon = address.rfind(':');
  uint32_t port = 0;
  if (colon != absl::string_view::npos &&
      absl::SimpleAtoi(address.substr(colon + 1), &port) && port <= 65535) {
    absl::string_view host = address.substr(0, colon);
    auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
    if (absl::ConsumePrefix(&host, "[") && absl::ConsumeSuffix(&host, "]")) {
      if (inet_pton(AF_INET6, std::string(host).c_str(), &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(static_cast<uint16_t>(port));
        *length = sizeof(*v6);
        return storage;
      }
    } else if (inet_pton(AF_INET, std::string(host).c_str(), &v4->sin_addr) ==
               1) {
      v4->sin_family = AF_INET;
      v4->sin_port = htons(static_cast<uint16_t>(port));
      *length = sizeof(*v4);
      return storage;
    }
  }
  return Error(absl::StatusCode::kInvalidArgument, reason::kConfigInvalid,
               absl::StrCat("'", address,
                            "' is no address to listen at: write IP:PORT or "
                            "[IPv6]:PORT"))
      .With("address", address)
      .Build();
}

absl::StatusOr<sockaddr_un> ParsePath(absl::string_view path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    return Error(absl::StatusCode::kInvalidArgument, reason::kConfigInvalid,
                 absl::StrCat("the socket path '", path, "' must have 1 to ",
                              sizeof(address.sun_path) - 1, " bytes"))
        .With("path", path)
        .Build();
  }
  memcpy(address.sun_path, path.data(), path.size());
  return address;
}

// Removes what is left of a listener that is gone.
absl::Status RemoveStale(const sockaddr_un& address, absl::string_view path) {
  struct stat info;
  if (lstat(address.sun_path, &info) != 0) {
    return errno == ENOENT ? absl::OkStatus()
                           : ErrnoError(errno, absl::StrCat("stat ", path));
  }
  if (S_ISSOCK(info.st_mode)) {
    const UniqueFd probe(
        socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const bool refused =
        probe.valid() &&
        connect(probe.get(), reinterpret_cast<const sockaddr*>(&address),
                sizeof(address)) != 0 &&
        errno == ECONNREFUSED;
    if (refused) {
      if (unlink(address.sun_path) == 0) return absl::OkStatus();
      return ErrnoError(errno, absl::StrCat("unlink ", path));
    }
  }
  return Error(absl::StatusCode::kAlreadyExists, reason::kConfigInvalid,
               absl::StrCat(path,
                            " is in use or is no socket; choose another "
                            "path or stop who uses it"))
      .With("path", path);
}

}  // namespace

absl::StatusOr<Listener> ListenTcp(absl::string_view address) {
  socklen_t length = 0;
  ASSIGN_OR_RETURN(sockaddr_storage storage, ParseAddress(address, &length));
  auto* raw = reinterpret_cast<sockaddr*>(&storage);
  UniqueFd fd(
      socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return ErrnoError(errno, "socket");
  const int on = 1;
  // For restarts; SO_REUSEPORT stays off, so nobody can share the port.
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (storage.ss_family == AF_INET6) {
    setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
  }
  if (bind(fd.get(), raw, length) != 0 || listen(fd.get(), kBacklog) != 0) {
    return ErrnoError(errno, absl::StrCat("cannot listen at ", address));
  }
  length = sizeof(storage);
  if (getsockname(fd.get(), raw, &length) != 0) {
    return ErrnoError(errno, "getsockname");
  }
  return Listener{std::move(fd), FormatAddress(storage)};
}

absl::StatusOr<Listener> ListenUnix(absl::string_view path, mode_t mode) {
  ASSIGN_OR_RETURN(const sockaddr_un address, ParsePath(path));
  RETURN_IF_ERROR(RemoveStale(address, path));
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return ErrnoError(errno, "socket");
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address),
           sizeof(address)) != 0 ||
      chmod(address.sun_path, mode) != 0 || listen(fd.get(), kBacklog) != 0) {
    return ErrnoError(errno, absl::StrCat("cannot listen at ", path));
  }
  return Listener{std::move(fd), absl::StrCat("unix:", path)};
}

std::string FormatAddress(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof(text));
    return absl::StrCat("[", text, "]:", ntohs(v6.sin6_port));
  }
  const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
  inet_ntop(AF_INET, &v4.sin_addr, text, sizeof(text));
  return absl::StrCat(text, ":", ntohs(v4.sin_port));
}

std::string SourceOf(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    return std::string(reinterpret_cast<const char*>(&v6.sin6_addr), 8);
  }
  const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
  return std::string(reinterpret_cast<const char*>(&v4.sin_addr), 4);
}

}  // namespace innkeeper
