// What every stream to a client has in common: a bounded queue, one end, and
// handlers for the cases that the producer did not choose.
#ifndef INNKEEPER_RPC_STREAM_CORE_H_
#define INNKEEPER_RPC_STREAM_CORE_H_

#include <cstddef>
#include <deque>
#include <memory>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "rpc/live_call.h"

namespace innkeeper {

// The untyped half of StreamWriter and BidiStream. Thread-safe. No handler runs
// while a lock is held, and none runs twice at once.
class StreamCore : public LiveCall {
 public:
  // Beyond either of these a stream is closed as too slow.
  static constexpr size_t kMaxMessages = 1024;
  static constexpr size_t kMaxBytes = size_t{4} << 20;
  // How long a client that does not read may hold on to a closed stream.
  static constexpr absl::Duration kLinger = absl::Seconds(10);

  // The transport below: gRPC's reactor. Called with the stream's lock held, so
  // it starts things and never calls back.
  class Wire {
   public:
    virtual ~Wire() = default;
    // `message` stays as it is until OnWriteDone.
    virtual void StartWriteOf(const void* message) = 0;
    // The last thing that is sent. Called once.
    virtual void FinishWith(const absl::Status& status) = 0;
    // Reads the next message.
    virtual void StartReadOf() = 0;
    // Resets the stream at once.
    virtual void CancelCall() = 0;
  };

  // `wire` is used until OnDone.
  explicit StreamCore(Wire* wire) : wire_(wire) {}
  StreamCore(const StreamCore&) = delete;
  StreamCore& operator=(const StreamCore&) = delete;

  // Ends the stream with `status` once everything queued has been sent. Later
  // calls change nothing. The cancel handler does not run.
  void Finish(absl::Status status) ABSL_LOCKS_EXCLUDED(mutex_);

  // `handler` runs once if the stream ends in any way but Finish(): the client
  // went away, read too slowly, lost its right to be here, or the server stops.
  // Runs at once if that is so already. It may run on any thread and must not
  // block.
  void SetCancelHandler(absl::AnyInvocable<void()> handler)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // For producers that pull, such as a replay of history: `handler` runs each
  // time the queue has become empty. It may run on any thread, must not block,
  // and may write until WritePermitted() is false. It is destroyed when the
  // stream ends.
  void SetDrainHandler(absl::AnyInvocable<void()> handler)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Whether the queue is less than half full. A producer that writes only then
  // is never closed as too slow.
  bool WritePermitted() const ABSL_LOCKS_EXCLUDED(mutex_);

  // Whether writes can still reach the client.
  bool open() const ABSL_LOCKS_EXCLUDED(mutex_);

  // LiveCall. Drops what is queued.
  void Abort(const absl::Status& status) override ABSL_LOCKS_EXCLUDED(mutex_);
  void Tick(absl::Time now) override ABSL_LOCKS_EXCLUDED(mutex_);

  // The rest is for the wire.
  void OnWriteDone(bool ok) ABSL_LOCKS_EXCLUDED(mutex_);
  void OnCancelled();
  void OnDone() ABSL_LOCKS_EXCLUDED(mutex_);

 protected:
  // False if the stream has ended; also if this message was one too many, which
  // ends it with RESOURCE_EXHAUSTED (WATCHER_TOO_SLOW).
  bool Enqueue(std::shared_ptr<const void> message, size_t bytes)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Reads the next message unless the stream has ended.
  bool StartRead() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  using Handler = absl::AnyInvocable<void()>;
  struct Item {
    std::shared_ptr<const void> message;
    size_t bytes = 0;
  };

  // Runs the drain handler until the queue stays full.
  void Drain() ABSL_LOCKS_EXCLUDED(mutex_);
  void WriteNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SendFinish(const absl::Status& status)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Wire* const wire_;  // Valid until done_.
  // A leaf lock, except that the wire is started under it.
  mutable absl::Mutex mutex_;
  std::deque<Item> queue_ ABSL_GUARDED_BY(mutex_);
  size_t queued_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  // What is being written. Null while nothing is.
  std::shared_ptr<const void> in_flight_ ABSL_GUARDED_BY(mutex_);
  // Set by Finish() until the queue is empty.
  std::optional<absl::Status> closing_ ABSL_GUARDED_BY(mutex_);
  // The final status was given to the wire; nothing may follow it.
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  // It ended otherwise than by Finish().
  bool aborted_ ABSL_GUARDED_BY(mutex_) = false;
  // The wire is gone.
  bool done_ ABSL_GUARDED_BY(mutex_) = false;
  // When a stream that is finished, but not done, is reset.
  absl::Time linger_end_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();
  // Somebody is in Drain().
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  // The queue has become empty since the drain handler was started last.
  bool drain_wanted_ ABSL_GUARDED_BY(mutex_) = false;
  Handler cancel_handler_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<Handler> drain_handler_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace innkeeper

#endif  // INNKEEPER_RPC_STREAM_CORE_H_
