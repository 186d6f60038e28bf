// Reaches a monitor that listens on a unix socket.
#ifndef INNKEEPER_AGENT_QMP_CONNECTOR_H_
#define INNKEEPER_AGENT_QMP_CONNECTOR_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "base/completion.h"
#include "base/event_loop.h"
#include "base/unique_fd.h"

namespace innkeeper {

// Who must have begun to listen on the socket, as the kernel attests
// (SO_PEERCRED): another process that took the path gets no conversation.
struct MonitorPeer {
  // As this process's pid namespace numbers it; nullopt: any process of `uid`.
  std::optional<int64_t> pid;
  uint32_t uid = 0;
};

// Connects to the unix socket at `path`, of any length, and gives the connected
// socket to `done` if `peer` listens there. Called on the loop's thread, where
// `done` runs, too, after ConnectMonitor has returned. Never blocks. While the
// socket is absent, refuses or has a full queue it tries again, up to
// `timeout`. A connection that nobody accepts still succeeds: the handshake of
// QmpSession has its own deadline. Errors:
//   DEADLINE_EXCEEDED (GUEST_UNRESPONSIVE): no connection within `timeout`;
//     metadata `path` and `error`.
//   FAILED_PRECONDITION (MONITOR_PROTOCOL): someone else listens; metadata
//     `path`, `pid` and `uid`. Not tried again.
//   INVALID_ARGUMENT (INVALID_REQUEST): the last part of `path` is empty or
//     longer than about 80 bytes.
//   others (SYSTEM_ERROR), as ErrnoError: no access, no descriptors left.
void ConnectMonitor(EventLoop* loop, const std::string& path, MonitorPeer peer,
                    absl::Duration timeout, Completion<UniqueFd> done);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_QMP_CONNECTOR_H_
