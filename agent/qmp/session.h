// A conversation with one QEMU over its monitor.
//
// Input: untrusted. QEMU counts as hostile once its guest runs. Whatever it
// sends costs its own guest a deadline or the session, and others on the same
// loop at most the bounds told at QmpSession::Options.
#ifndef INNKEEPER_AGENT_QMP_SESSION_H_
#define INNKEEPER_AGENT_QMP_SESSION_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/qmp/event.h"
#include "agent/qmp/version.h"
#include "base/completion.h"
#include "base/event_loop.h"
#include "base/unique_fd.h"
#include "nlohmann/json.hpp"

namespace innkeeper {

// Not thread-safe: made, used and destroyed on the thread of its loop only, and
// every callback runs there. One loop serves a thousand sessions: a session has
// no thread, polls nothing and holds no buffer while idle.
//
// Any callback may call any method and may destroy the session. Destroying it
// closes the connection and fails each unanswered command with UNAVAILABLE
// (MONITOR_CLOSED) before it returns; `ready`, `event` and `closed` are not
// called after that. QEMU then accepts another client.
class QmpSession {
 public:
  struct Handlers {
    // Once, when commands are accepted. Null: not interested.
    absl::AnyInvocable<void(const QmpVersion&)> ready;
    // Each event, in the order sent; the first may come just before `ready`.
    // Null: not interested.
    absl::AnyInvocable<void(QmpEvent)> event;
    // Once, after every unanswered command has failed; whether or not `ready`
    // was called. Always an error:
    //   UNAVAILABLE (MONITOR_CLOSED): QEMU closed the connection or Close()
    //     was called.
    //   UNAVAILABLE (MONITOR_PROTOCOL): QEMU broke the protocol; the session
    //     closed the connection.
    //   DEADLINE_EXCEEDED (GUEST_UNRESPONSIVE): no handshake in time; QEMU is
    //     stuck, or another client holds the monitor.
    // Null: not interested.
    absl::AnyInvocable<void(absl::Status)> closed;
  };

  struct Options {
    // Names the guest in logs.
    std::string label;
    // From Start() to `ready`.
    absl::Duration handshake_timeout = absl::Seconds(5);
    // What a monitor may send: this much at once, then this much a second,
    // where each message counts kMessageCost more than its bytes. A monitor
    // that sends more is not read until it has earned more, which costs only
    // its own guest. The defaults let 7,000 events through at once and 430 a
    // second for good.
    int64_t burst_bytes = int64_t{4} << 20;
    int64_t bytes_per_second = int64_t{256} << 10;
  };

  // Commands sent and not answered by QEMU, whether or not their deadline has
  // passed.
  static constexpr size_t kMaxOutstanding = 64;
  // What a message costs beside its bytes, for the work that it makes.
  static constexpr int64_t kMessageCost = 512;
  // Read from one session before others get their turn.
  static constexpr size_t kBytesPerWake = size_t{64} << 10;
  // Bytes that QEMU has not taken yet.
  static constexpr size_t kMaxOutputBytes = (size_t{4} << 20) + 1;

  // Begins the conversation on `socket`, a connected stream socket, and returns
  // before any callback runs. `loop` must outlive the session.
  static std::unique_ptr<QmpSession> Start(EventLoop* loop, UniqueFd socket,
                                           Handlers handlers, Options options);
  static std::unique_ptr<QmpSession> Start(EventLoop* loop, UniqueFd socket,
                                           Handlers handlers);
  ~QmpSession();
  QmpSession(const QmpSession&) = delete;
  QmpSession& operator=(const QmpSession&) = delete;

  // Runs `command` with `arguments` (an object, or null for none) and gives
  // what QEMU returned to `done`, exactly once and never before Execute
  // returns. Commands may be answered in any order. Errors:
  //   FAILED_PRECONDITION (MONITOR_COMMAND_FAILED): QEMU refused; metadata
  //     `command`, `class` and `desc`, at most 1,024 printable bytes each.
  //   DEADLINE_EXCEEDED (GUEST_UNRESPONSIVE): no answer within `timeout`. The
  //     command may still take effect; a late answer is dropped and the session
  //     stays usable.
  //   UNAVAILABLE (GUEST_UNRESPONSIVE): kMaxOutstanding reached, some of them
  //     past their deadline. Nothing was sent.
  //   RESOURCE_EXHAUSTED (TOO_MANY_REQUESTS): kMaxOutstanding or
  //     kMaxOutputBytes reached. Nothing was sent.
  //   UNAVAILABLE (MONITOR_CLOSED): closed, or not `ready` yet.
  //   INVALID_ARGUMENT: as EncodeQmpCommand.
  void Execute(absl::string_view command, const nlohmann::json& arguments,
               absl::Duration timeout, Completion<nlohmann::json> done);

  // Ends the session; `closed` is called before it returns. Nothing if it has
  // ended.
  void Close();

  // `ready` was called and `closed` was not.
  bool ready() const;

 private:
  class Core;

  explicit QmpSession(std::shared_ptr<Core> core);

  // Stays alive through a callback that destroys the session.
  const std::shared_ptr<Core> core_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_QMP_SESSION_H_
