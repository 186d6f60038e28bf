// One client on one guest's serial port.
#ifndef INNKEEPER_AGENT_SERVICE_SERIAL_SESSION_H_
#define INNKEEPER_AGENT_SERVICE_SERIAL_SESSION_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "base/event_loop.h"
#include "base/unique_fd.h"
#include "innkeeper/v1/consoles.pb.h"
#include "rpc/bidi_stream.h"

namespace innkeeper {

// Carries bytes between a stream and the guest's console socket, both ways, at
// the pace of the slower side. Used on the loop only; keeps itself alive until
// either side ends.
class SerialSession : public std::enable_shared_from_this<SerialSession> {
 public:
  using Stream = BidiStream<v1::AttachSerialRequest, v1::AttachSerialResponse>;

  // Connects to `path` and begins, with what `first` already types. The stream
  // is ended with FAILED_PRECONDITION (CONSOLE_UNAVAILABLE) if that cannot be
  // done; with INVALID_ARGUMENT by input to what is read-only; with
  // RESOURCE_EXHAUSTED (WATCHER_TOO_SLOW) if the keeper drops the client
  // because the guest writes faster than it reads; with OK when the guest no
  // longer `runs`. `ended` is called once the socket is closed again, at once
  // if it cannot be opened.
  static void Start(EventLoop* loop, const std::string& path,
                    const v1::AttachSerialRequest& first,
                    std::function<bool()> runs, std::shared_ptr<Stream> stream,
                    absl::AnyInvocable<void()> ended);

 private:
  SerialSession(EventLoop* loop, UniqueFd socket, bool read_only,
                std::function<bool()> runs, std::shared_ptr<Stream> stream,
                absl::AnyInvocable<void()> ended)
      : loop_(loop),
        socket_(std::move(socket)),
        read_only_(read_only),
        runs_(std::move(runs)),
        stream_(std::move(stream)),
        when_ended_(std::move(ended)) {}

  void Run(const std::string& input);
  void OnSocket(uint32_t events);
  void ReadSocket();
  // The keeper has closed: finds out why.
  void OnClosed(int looks);
  void WriteSocket();
  void TakeInput(const std::string& input);
  void UpdateEvents();
  void CloseSocket();
  void End(const absl::Status& status);

  EventLoop* const loop_;
  UniqueFd socket_;
  const bool read_only_;
  const std::function<bool()> runs_;
  const std::shared_ptr<Stream> stream_;
  uint32_t watched_ = 0;  // What the loop waits for; nothing if 0.
  absl::AnyInvocable<void()> when_ended_;
  std::string input_;     // Typed, and not taken by the guest yet.
  bool waiting_ = false;  // The client does not read; nor do we.
  bool ended_ = false;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_SERVICE_SERIAL_SESSION_H_
