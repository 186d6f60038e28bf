// A guest's serial port: from QEMU to a log and to whoever is attached, and
// back.
#ifndef INNKEEPER_AGENT_KEEPER_CONSOLE_H_
#define INNKEEPER_AGENT_KEEPER_CONSOLE_H_

#include <poll.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/keeper/log_file.h"

namespace innkeeper {

// Not thread-safe. Input from QEMU and from clients: untrusted bytes, which are
// only passed on.
//
// A new client is sent the last 64 KiB, then what comes. A client that falls
// more than the ring behind is dropped: neither QEMU nor the log waits for one.
// QEMU is read at 16 MiB/s at most; beyond that the guest waits.
class Console {
 public:
  static constexpr int kMaxClients = 4;
  // QEMU's end, the listener, and each client.
  static constexpr int kMaxPolled = 2 + kMaxClients;

  // `qemu` and `listener` are non-blocking and stay the caller's, as `log`.
  Console(int qemu, int listener, LogFile& log);
  Console(const Console&) = delete;
  Console& operator=(const Console&) = delete;

  // Fills `polled` (kMaxPolled items) with what to wait for; how many. Lowers
  // `timeout`, in milliseconds, to when the guest may go on.
  int Prepare(pollfd* polled, int64_t now_millis, int* timeout);
  // Does what poll(2) found in `polled`.
  void Handle(const pollfd* polled, int64_t now_millis);
  // QEMU has ended: passes on what is left, as far as that is possible now.
  void Finish();

 private:
  static constexpr size_t kRingBytes = size_t{256} * 1024;
  static constexpr size_t kReplayBytes = size_t{64} * 1024;
  static constexpr size_t kInputBytes = 4096;

  struct Client {
    int fd = -1;
    uint64_t sent = 0;  // How far it has read, in bytes of the console.
    bool reads = true;  // Whether it may still send input.
  };

  void Refill(int64_t now_millis);
  // False if QEMU has nothing to read now.
  bool ReadQemu();
  void WriteQemu();
  void Accept();
  void ReadClient(Client& client);
  void WriteClient(Client& client);
  void Drop(Client& client);

  const int qemu_;
  const int listener_;
  LogFile& log_;
  bool qemu_open_ = true;
  Client clients_[kMaxClients];
  // The last bytes of the console; `head_` counts all that ever came.
  char ring_[kRingBytes];
  uint64_t head_ = 0;
  // Input for the guest that it has not taken yet.
  char input_[kInputBytes];
  size_t input_size_ = 0;
  // The token bucket: bytes that may be read now.
  int64_t tokens_;
  int64_t refilled_millis_ = 0;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_KEEPER_CONSOLE_H_
