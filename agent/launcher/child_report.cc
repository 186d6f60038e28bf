#include "agent/launcher/child_report.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/unique_fd.h"

namespace innkeeper {
namespace {

union Control {
  cmsghdr align;
  char bytes[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(ucred))];
};

}  // namespace

absl::StatusOr<StatusChannel> MakeStatusChannel() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return ErrnoError(errno, "make the status channel");
  }
  StatusChannel channel;
  channel.launcher.reset(ends[0]);
  channel.child.reset(ends[1]);
  const int on = 1;
  if (setsockopt(ends[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) != 0) {
    return ErrnoError(errno, "ask for credentials");
  }
  return channel;
}

void SendReport(int channel, const ChildReport& report, int fd) {
  ChildReport copy = report;
  iovec part = {&copy, sizeof(copy)};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  Control control = {};
  if (fd >= 0) {
    message.msg_control = control.bytes;
    message.msg_controllen = CMSG_SPACE(sizeof(int));
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &fd, sizeof(int));
  }
  sendmsg(channel, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

ChildReport FailureReport(LaunchStep step, const absl::Status& status) {
  ChildReport report;
  report.kind = ChildReport::Kind::kFailed;
  report.step = step;
  const ErrorDetails details = DetailsOf(status);
  const auto error = details.metadata.find("errno");
  if (error == details.metadata.end() ||
      !absl::SimpleAtoi(error->second, &report.error)) {
    report.error = 0;
  }
  const absl::string_view text = status.message();
  memcpy(report.text, text.data(),
         std::min(text.size(), sizeof(report.text) - 1));
  return report;
}

absl::StatusOr<ReceivedReport> ReceiveReport(int channel, absl::Time deadline) {
  pollfd waiting = {channel, POLLIN, 0};
  int ready;
  do {
    const absl::Duration left =
        std::max(absl::ZeroDuration(), deadline - absl::Now());
    ready =
        poll(&waiting, 1, static_cast<int>(absl::ToInt64Milliseconds(left)));
  } while (ready < 0 && errno == EINTR);
  if (ready < 0) return ErrnoError(errno, "wait for a report");
  if (ready == 0) {
    return Error(absl::StatusCode::kDeadlineExceeded,
                 reason::kGuestLaunchFailed, "no report in time");
  }
  ReceivedReport received;
  iovec part = {&received.report, sizeof(received.report)};
  Control control = {};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes;
  message.msg_controllen = sizeof(control.bytes);
  const ssize_t got = recvmsg(channel, &message, MSG_CMSG_CLOEXEC);
  if (got < 0) return ErrnoError(errno, "receive a report");
  if (got == 0) {
    received.closed = true;
    return received;
  }
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET) continue;
    if (header->cmsg_type == SCM_RIGHTS) {
      int fd;
      memcpy(&fd, CMSG_DATA(header), sizeof(fd));
      received.fd.reset(fd);
    } else if (header->cmsg_type == SCM_CREDENTIALS) {
      ucred sender;
      memcpy(&sender, CMSG_DATA(header), sizeof(sender));
      received.pid = sender.pid;
      received.uid = sender.uid;
    }
  }
  if (got != sizeof(received.report)) {
    return ErrnoError(EBADMSG, "receive a report");
  }
  received.report.text[sizeof(received.report.text) - 1] = '\0';
  return received;
}

}  // namespace innkeeper
