// Passes bytes between a client's socket and gRPC's, at the client's pace.
#ifndef INNKEEPER_RPC_RELAY_H_
#define INNKEEPER_RPC_RELAY_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/functional/any_invocable.h"
#include "base/event_loop.h"
#include "base/unique_fd.h"
#include "rpc/pace.h"

namespace innkeeper {

// Used on its loop's thread only. What comes from `outer` is paced; what goes
// there is not. Each side is read only while the other takes what was read, so
// that no more than one read's worth waits in memory, and a connection at rest
// holds no buffer at all. An end of one direction is passed on; the other
// direction goes on until its own end.
class Relay {
 public:
  // The most that is read at once: the size of the scratch buffer.
  static constexpr size_t kChunk = size_t{64} << 10;

  // `loop`, `pace` and `scratch` (kChunk bytes that the loop's relays share)
  // must outlive it. Both sockets are non-blocking. `on_closed` runs once, on
  // the loop, when nothing more can be passed on; it must not destroy the relay
  // before it returns.
  Relay(EventLoop* loop, UniqueFd outer, UniqueFd inner, Pace* pace,
        char* scratch, absl::AnyInvocable<void()> on_closed);
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  void Start();
  // Ends both directions at once.
  void Close();
  // Acts as if the client had ended its direction; what comes after that is not
  // read. What the service still says is passed on.
  void EndClient();
  // Whether the client has sent anything.
  bool heard() const { return heard_; }
  // Bytes read so far, on both sides: while this stays the same, nothing moves.
  uint64_t bytes() const { return bytes_; }

 private:
  enum Side { kOuter = 0, kInner = 1 };
  // From the side of the same number to the other one.
  struct Direction {
    std::string pending;   // Read, but not yet taken by the other side.
    bool ended = false;    // The reading side has ended.
    bool waiting = false;  // For tokens.
  };

  void OnEvents(Side side, uint32_t events);
  // False if the relay was closed.
  bool Pump(Side from);
  bool Flush(Side from);
  bool EndIfDone(Side from);
  void UpdateEvents(Side side);
  static Side Other(Side side) { return side == kOuter ? kInner : kOuter; }

  EventLoop* const loop_;
  UniqueFd sockets_[2];
  Pace* const pace_;
  char* const scratch_;
  absl::AnyInvocable<void()> on_closed_;
  Direction directions_[2];
  uint32_t watched_[2] = {0, 0};
  EventLoop::TimerId timer_ = 0;
  uint64_t bytes_ = 0;
  bool heard_ = false;
  bool closed_ = false;
};

}  // namespace innkeeper

#endif  // INNKEEPER_RPC_RELAY_H_
