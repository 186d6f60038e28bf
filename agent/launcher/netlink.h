// One way to the kernel's network configuration.
#ifndef INNKEEPER_AGENT_LAUNCHER_NETLINK_H_
#define INNKEEPER_AGENT_LAUNCHER_NETLINK_H_

#include <libmnl/libmnl.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace innkeeper {

// A message, or several in one datagram. At most kBytes; whoever builds one
// knows the bounds of what goes in. Not thread-safe.
class NetlinkRequest {
 public:
  static constexpr size_t kBytes = size_t{16} * 1024;

  // Begins the next message, which is to be acknowledged if `flags` says so
  // (NLM_F_ACK).
  nlmsghdr* Add(uint16_t type, uint16_t flags);
  // The extra header of the message begun last.
  template <typename T>
  T* Extra() {
    return static_cast<T*>(mnl_nlmsg_put_extra_header(last_, sizeof(T)));
  }

  const void* data() const { return buffer_.data(); }
  size_t size() const;

 private:
  alignas(nlmsghdr) std::array<char, kBytes> buffer_ = {};
  nlmsghdr* last_ = nullptr;
};

// A netlink socket of the namespace that the process was in when it was opened.
// Not thread-safe. The kernel answers while it is asked: nothing blocks for
// long.
class Netlink {
 public:
  // `protocol` is NETLINK_ROUTE or NETLINK_NETFILTER.
  static absl::StatusOr<std::unique_ptr<Netlink>> Open(int protocol);
  ~Netlink();
  Netlink(const Netlink&) = delete;
  Netlink& operator=(const Netlink&) = delete;

  // Sends `request` and takes `answers` answers to it (those of NLM_F_ACK, and
  // what was asked for). The first error that the kernel reports, as
  // ErrnoError with `what`; answers that come after it are dropped. The last
  // datagram that is no acknowledgement goes to `found` where that is given.
  absl::Status Ask(const NetlinkRequest& request, int answers,
                   absl::string_view what, std::string* found = nullptr);

 private:
  explicit Netlink(mnl_socket* socket) : socket_(socket) {}

  void Drop();

  mnl_socket* const socket_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_NETLINK_H_
