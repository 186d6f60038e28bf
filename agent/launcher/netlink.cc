#include "agent/launcher/netlink.h"

#include <libmnl/libmnl.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <memory>
#include <string>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/error.h"

namespace innkeeper {
namespace {

// The kernel has answered by the time it was asked; this is for answers that it
// does not give.
constexpr time_t kPatienceSeconds = 5;

}  // namespace

nlmsghdr* NetlinkRequest::Add(uint16_t type, uint16_t flags) {
  last_ = mnl_nlmsg_put_header(buffer_.data() + size());
  last_->nlmsg_type = type;
  last_->nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
  return last_;
}

size_t NetlinkRequest::size() const {
  if (last_ == nullptr) return 0;
  const char* const end =
      static_cast<const char*>(mnl_nlmsg_get_payload_tail(last_));
  return static_cast<size_t>(end - buffer_.data());
}

absl::StatusOr<std::unique_ptr<Netlink>> Netlink::Open(int protocol) {
  mnl_socket* const socket = mnl_socket_open2(protocol, SOCK_CLOEXEC);
  if (socket == nullptr) return ErrnoError(errno, "open a netlink socket");
  auto netlink = absl::WrapUnique(new Netlink(socket));
  const timeval patience = {kPatienceSeconds, 0};
  if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) != 0 ||
      setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVTIMEO, &patience,
                 sizeof(patience)) != 0) {
    return ErrnoError(errno, "bind a netlink socket");
  }
  return netlink;
}

Netlink::~Netlink() { mnl_socket_close(socket_); }

void Netlink::Drop() {
  char unread[256];
  while (recv(mnl_socket_get_fd(socket_), unread, sizeof(unread),
              MSG_DONTWAIT | MSG_TRUNC) >= 0) {
  }
}

absl::Status Netlink::Ask(const NetlinkRequest& request, int answers,
                          absl::string_view what, std::string* found) {
  // What an error before left unread is no answer to this.
  Drop();
  if (mnl_socket_sendto(socket_, request.data(), request.size()) < 0) {
    return ErrnoError(errno, what);
  }
  alignas(nlmsghdr) char buffer[NetlinkRequest::kBytes];
  while (answers > 0) {
    const ssize_t got = mnl_socket_recvfrom(socket_, buffer, sizeof(buffer));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoError(errno, what);
    int left = static_cast<int>(got);
    for (const nlmsghdr* message = reinterpret_cast<nlmsghdr*>(buffer);
         mnl_nlmsg_ok(message, left);
         message = mnl_nlmsg_next(message, &left)) {
      --answers;
      if (message->nlmsg_type != NLMSG_ERROR) {
        if (found != nullptr) found->assign(buffer, static_cast<size_t>(got));
        continue;
      }
      const int error =
          static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(message))->error;
      if (error != 0) return ErrnoError(-error, what);
    }
  }
  return absl::OkStatus();
}

}  // namespace innkeeper
