#include "agent/keeper/console.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/keeper/log_file.h"

namespace innkeeper {
namespace {

constexpr int64_t kBytesPerMilli = (int64_t{16} << 20) / 1000;
constexpr int64_t kBurstBytes = int64_t{1} << 20;
constexpr size_t kReadBytes = size_t{16} * 1024;
// A read counts for at least as much: a guest that writes single bytes must not
// cost a system call for each. While it pauses they gather.
constexpr int64_t kLeastReadCost = 4096;
constexpr int kPauseMillis = 1;
// When QEMU has ended: more than a socket's buffer holds.
constexpr int kMaxLastReads = 256;

bool WouldWait(ssize_t result) {
  return result < 0 && (errno == EAGAIN || errno == EINTR);
}

}  // namespace

Console::Console(int qemu, int listener, LogFile& log)
    : qemu_(qemu), listener_(listener), log_(log), tokens_(kBurstBytes) {}

void Console::Refill(int64_t now_millis) {
  const int64_t passed = now_millis - refilled_millis_;
  refilled_millis_ = now_millis;
  // First, so that a long pause cannot overflow.
  if (passed < 0 || passed > kBurstBytes / kBytesPerMilli) {
    tokens_ = kBurstBytes;
    return;
  }
  tokens_ += passed * kBytesPerMilli;
  if (tokens_ > kBurstBytes) tokens_ = kBurstBytes;
}

int Console::Prepare(pollfd* polled, int64_t now_millis, int* timeout) {
  Refill(now_millis);
  short qemu_events = 0;
  if (tokens_ > 0) {
    qemu_events |= POLLIN;
  } else if (qemu_open_) {
    *timeout = kPauseMillis;
  }
  if (input_size_ > 0) qemu_events |= POLLOUT;
  // With no events asked for, poll(2) would still report a hang-up, for ever.
  const bool watch = qemu_open_ && qemu_events != 0;
  polled[0] = {watch ? qemu_ : -1, qemu_events, 0};
  int free_slots = 0;
  for (int i = 0; i < kMaxClients; ++i) {
    const Client& client = clients_[i];
    if (client.fd < 0) ++free_slots;
    short events = 0;
    // More input is taken only when there is room for all of it.
    if (client.reads && input_size_ == 0) events |= POLLIN;
    if (client.sent < head_) events |= POLLOUT;
    // A hang-up is reported whatever was asked for. While there is no room for
    // a client's last words, not asking at all keeps it from spinning.
    const bool watch_client = events != 0 || !client.reads;
    polled[2 + i] = {watch_client ? client.fd : -1, events, 0};
  }
  polled[1] = {free_slots > 0 ? listener_ : -1, POLLIN, 0};
  return kMaxPolled;
}

void Console::Handle(const pollfd* polled, int64_t now_millis) {
  Refill(now_millis);
  if (polled[0].revents & POLLOUT) WriteQemu();
  if (polled[0].revents & (POLLIN | POLLHUP | POLLERR)) ReadQemu();
  for (int i = 0; i < kMaxClients; ++i) {
    Client& client = clients_[i];
    if (client.fd < 0 || client.fd != polled[2 + i].fd) continue;
    const short events = polled[2 + i].revents;
    if (events & POLLOUT) WriteClient(client);
    if (client.fd >= 0 && (events & POLLIN)) ReadClient(client);
    const bool gone =
        (events & POLLERR) || ((events & POLLHUP) && !client.reads);
    if (client.fd >= 0 && gone) Drop(client);
  }
  if (polled[1].revents & POLLIN) Accept();
}

bool Console::ReadQemu() {
  static char buffer[kReadBytes];
  const ssize_t got = read(qemu_, buffer, sizeof(buffer));
  if (WouldWait(got)) return false;
  if (got <= 0) {
    qemu_open_ = false;
    return false;
  }
  const size_t size = static_cast<size_t>(got);
  tokens_ -= got > kLeastReadCost ? got : kLeastReadCost;
  log_.Append(buffer, size);
  const size_t at = head_ % kRingBytes;
  const size_t first = size < kRingBytes - at ? size : kRingBytes - at;
  memcpy(ring_ + at, buffer, first);
  memcpy(ring_, buffer + first, size - first);
  head_ += size;
  for (Client& client : clients_) {
    if (client.fd >= 0) WriteClient(client);
  }
  return true;
}

void Console::WriteQemu() {
  const ssize_t written = write(qemu_, input_, input_size_);
  if (WouldWait(written)) return;
  if (written <= 0) {
    // Whoever types at a guest that is gone types into the void.
    input_size_ = 0;
    return;
  }
  input_size_ -= static_cast<size_t>(written);
  memmove(input_, input_ + written, input_size_);
}

void Console::Accept() {
  const int fd =
      accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) return;
  for (Client& client : clients_) {
    if (client.fd >= 0) continue;
    client.fd = fd;
    client.reads = true;
    client.sent = head_ > kReplayBytes ? head_ - kReplayBytes : 0;
    WriteClient(client);
    return;
  }
  close(fd);
}

void Console::ReadClient(Client& client) {
  // An earlier client of this round may have filled it.
  if (input_size_ > 0) return;
  const ssize_t got = read(client.fd, input_, sizeof(input_));
  if (WouldWait(got)) return;
  if (got < 0) return Drop(client);
  // It has closed its half; it may still want to read.
  if (got == 0) client.reads = false;
  input_size_ = static_cast<size_t>(got);
  if (qemu_open_ && input_size_ > 0) WriteQemu();
}

void Console::WriteClient(Client& client) {
  if (head_ - client.sent > kRingBytes) return Drop(client);
  while (client.sent < head_) {
    const size_t at = client.sent % kRingBytes;
    const size_t left = static_cast<size_t>(head_ - client.sent);
    const size_t size = left < kRingBytes - at ? left : kRingBytes - at;
    const ssize_t written =
        send(client.fd, ring_ + at, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (WouldWait(written)) return;
    if (written <= 0) return Drop(client);
    client.sent += static_cast<uint64_t>(written);
  }
}

void Console::Drop(Client& client) {
  close(client.fd);
  client = Client();
}

void Console::Finish() {
  for (int i = 0; i < kMaxLastReads && qemu_open_; ++i) {
    if (!ReadQemu()) break;
  }
}

}  // namespace innkeeper
