#include "rpc/relay.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <string>
#include <utility>

namespace innkeeper {
namespace {

// Fewer tokens than this are not worth a system call; then it waits for more.
constexpr int64_t kWorthReading = 1024;
constexpr int64_t kWorthWaking = 2 << 10;

}  // namespace

Relay::Relay(EventLoop* loop, UniqueFd outer, UniqueFd inner, Pace* pace,
             char* scratch, absl::AnyInvocable<void()> on_closed)
    : loop_(loop),
      sockets_{std::move(outer), std::move(inner)},
      pace_(pace),
      scratch_(scratch),
      on_closed_(std::move(on_closed)) {}

Relay::~Relay() {
  on_closed_ = nullptr;
  Close();
}

void Relay::Start() {
  UpdateEvents(kOuter);
  UpdateEvents(kInner);
}

void Relay::Close() {
  if (std::exchange(closed_, true)) return;
  loop_->Cancel(timer_);
  for (const Side side : {kOuter, kInner}) {
    if (watched_[side] != 0) loop_->Unwatch(sockets_[side].get());
    watched_[side] = 0;
    sockets_[side].reset();
  }
  if (on_closed_) on_closed_();
}

void Relay::EndClient() {
  if (closed_ || directions_[kOuter].ended) return;
  directions_[kOuter].ended = true;
  if (!EndIfDone(kOuter)) return;
  UpdateEvents(kOuter);
}

void Relay::OnEvents(Side side, uint32_t events) {
  const Side other = Other(side);
  constexpr uint32_t kTrouble = EPOLLHUP | EPOLLERR;
  if ((events & (EPOLLOUT | kTrouble)) != 0 &&
      !directions_[other].pending.empty() && !Flush(other)) {
    return;
  }
  const Direction& from = directions_[side];
  if ((events & (EPOLLIN | kTrouble)) != 0 && !from.ended && !from.waiting &&
      from.pending.empty() && !Pump(side)) {
    return;
  }
  UpdateEvents(side);
  UpdateEvents(other);
}

bool Relay::Pump(Side from) {
  int64_t limit = static_cast<int64_t>(kChunk);
  if (from == kOuter && !pace_->unlimited()) {
    limit = std::min(limit, pace_->Available(SteadyNow()));
    if (limit < kWorthReading) {
      directions_[from].waiting = true;
      timer_ = loop_->After(pace_->UntilAvailable(kWorthWaking), [this] {
        directions_[kOuter].waiting = false;
        UpdateEvents(kOuter);
      });
      return true;
    }
  }
  const ssize_t got = recv(sockets_[from].get(), scratch_,
                           static_cast<size_t>(limit), MSG_DONTWAIT);
  if (got < 0) {
    if (errno == EAGAIN || errno == EINTR) return true;
    Close();
    return false;
  }
  if (got == 0) {
    directions_[from].ended = true;
    return EndIfDone(from);
  }
  bytes_ += static_cast<uint64_t>(got);
  if (from == kOuter) {
    heard_ = true;
    pace_->Take(got);
  }
  ssize_t sent = send(sockets_[Other(from)].get(), scratch_,
                      static_cast<size_t>(got), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent < 0) {
    if (errno != EAGAIN && errno != EINTR) {
      Close();
      return false;
    }
    sent = 0;
  }
  directions_[from].pending.assign(scratch_ + sent,
                                   static_cast<size_t>(got - sent));
  return true;
}

bool Relay::Flush(Side from) {
  std::string& pending = directions_[from].pending;
  const ssize_t sent = send(sockets_[Other(from)].get(), pending.data(),
                            pending.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent < 0) {
    if (errno == EAGAIN || errno == EINTR) return true;
    Close();
    return false;
  }
  pending.erase(0, static_cast<size_t>(sent));
  if (!pending.empty()) return true;
  std::string().swap(pending);  // Gives the memory back.
  return EndIfDone(from);
}

bool Relay::EndIfDone(Side from) {
  const auto done = [](const Direction& d) {
    return d.ended && d.pending.empty();
  };
  if (!done(directions_[from])) return true;
  if (done(directions_[Other(from)])) {
    Close();
    return false;
  }
  shutdown(sockets_[Other(from)].get(), SHUT_WR);
  return true;
}

void Relay::UpdateEvents(Side side) {
  if (closed_) return;
  const Direction& from = directions_[side];
  uint32_t events = 0;
  if (!from.ended && !from.waiting && from.pending.empty()) events |= EPOLLIN;
  if (!directions_[Other(side)].pending.empty()) events |= EPOLLOUT;
  const uint32_t watched = std::exchange(watched_[side], events);
  if (events == watched) return;
  const int fd = sockets_[side].get();
  if (events == 0) {
    // Watched for nothing it would still report a hang-up, over and over.
    loop_->Unwatch(fd);
  } else if (watched == 0) {
    loop_->Watch(fd, events,
                 [this, side](uint32_t what) { OnEvents(side, what); });
  } else {
    loop_->SetEvents(fd, events);
  }
}

}  // namespace innkeeper
