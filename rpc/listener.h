// Sockets that wait for clients.
#ifndef INNKEEPER_RPC_LISTENER_H_
#define INNKEEPER_RPC_LISTENER_H_

#include <sys/socket.h>
#include <sys/types.h>

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"

namespace innkeeper {

struct Listener {
  UniqueFd fd;
  // What clients dial: "127.0.0.1:8443", "[::1]:8443", "unix:/run/x.sock".
  std::string address;
};

// Listens at `address`, a numeric "IP:PORT" or "[IPv6]:PORT"; port 0 takes any.
// The port is not shared with another process. INVALID_ARGUMENT
// (CONFIG_INVALID) if it is no such address; else as the system says.
absl::StatusOr<Listener> ListenTcp(absl::string_view address);

// Listens at `path`, of at most 107 bytes, with `mode`. A socket that nobody
// listens at any more is replaced; anything else is left alone and an error
// (ALREADY_EXISTS).
absl::StatusOr<Listener> ListenUnix(absl::string_view path, mode_t mode);

// "192.0.2.7:41234" of a TCP peer's address.
std::string FormatAddress(const sockaddr_storage& address);
// What counts as one source: the address, or the /64 net of an IPv6 one.
std::string SourceOf(const sockaddr_storage& address);

}  // namespace innkeeper

#endif  // INNKEEPER_RPC_LISTENER_H_
