// A handler's end of a stream in both directions.
#ifndef INNKEEPER_RPC_BIDI_STREAM_H_
#define INNKEEPER_RPC_BIDI_STREAM_H_

#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/synchronization/mutex.h"
#include "rpc/stream_core.h"
#include "rpc/stream_writer.h"

namespace innkeeper {

// Made by the gate, which has read the first message. Thread-safe; see
// StreamWriter for writing and the end.
template <typename Request, typename Response>
class BidiStream final : public StreamCore {
 public:
  using StreamCore::StreamCore;

  // As StreamWriter::Write.
  bool Write(Response message) {
    auto shared = std::make_shared<const Response>(std::move(message));
    const size_t bytes = StreamedBytes(*shared);
    return Enqueue(std::move(shared), bytes);
  }

  // Starts reading. `on_message` gets each message after the first, one at a
  // time; the next is read when it has returned, unless reads were paused.
  // `on_half_close` runs once when the client has sent its last, and not if the
  // stream ended before (see SetCancelHandler). Both may run on any thread and
  // must not block. Call it once.
  void SetReadHandler(absl::AnyInvocable<void(Request)> on_message,
                      absl::AnyInvocable<void()> on_half_close)
      ABSL_LOCKS_EXCLUDED(read_mutex_) {
    {
      absl::MutexLock lock(&read_mutex_);
      on_message_ = std::move(on_message);
      on_half_close_ = std::move(on_half_close);
      begun_ = true;
      reading_ = true;
    }
    StartRead();
  }

  // Keeps the next message from being read, for when what was read cannot be
  // passed on yet. At most one more message comes.
  void PauseReads() ABSL_LOCKS_EXCLUDED(read_mutex_) {
    absl::MutexLock lock(&read_mutex_);
    paused_ = true;
  }
  void ResumeReads() ABSL_LOCKS_EXCLUDED(read_mutex_) {
    {
      absl::MutexLock lock(&read_mutex_);
      paused_ = false;
      // SetReadHandler() begins; without a handler there is nothing to resume.
      if (!begun_ || reading_ || ended_) return;
      reading_ = true;
    }
    StartRead();
  }

  // For the wire: the message that it read, or the client's half-close.
  void OnRead(Request message) ABSL_LOCKS_EXCLUDED(read_mutex_) {
    // Only one read is ever under way, so nobody else uses the handler.
    on_message_(std::move(message));
    {
      absl::MutexLock lock(&read_mutex_);
      reading_ = !paused_;
      if (!reading_) return;
    }
    StartRead();
  }
  void OnReadEnd() ABSL_LOCKS_EXCLUDED(read_mutex_) {
    {
      absl::MutexLock lock(&read_mutex_);
      reading_ = false;
      ended_ = true;
    }
    if (open() && on_half_close_) on_half_close_();
  }
  // The wire is gone: handlers are destroyed, as they may own the stream.
  void OnWireDone() ABSL_LOCKS_EXCLUDED(read_mutex_) {
    OnDone();
    absl::AnyInvocable<void(Request)> on_message;
    absl::AnyInvocable<void()> on_half_close;
    absl::MutexLock lock(&read_mutex_);
    on_message.swap(on_message_);
    on_half_close.swap(on_half_close_);
  }

 private:
  // Set before the first read and not changed after it.
  absl::AnyInvocable<void(Request)> on_message_;
  absl::AnyInvocable<void()> on_half_close_;
  // A leaf lock.
  absl::Mutex read_mutex_;
  bool begun_ ABSL_GUARDED_BY(read_mutex_) = false;
  bool reading_ ABSL_GUARDED_BY(read_mutex_) = false;
  bool paused_ ABSL_GUARDED_BY(read_mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(read_mutex_) = false;
};

}  // namespace innkeeper

#endif  // INNKEEPER_RPC_BIDI_STREAM_H_
