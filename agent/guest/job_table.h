// One mutating job for each guest at a time.
#ifndef INNKEEPER_AGENT_GUEST_JOB_TABLE_H_
#define INNKEEPER_AGENT_GUEST_JOB_TABLE_H_

#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"

namespace innkeeper {

// Whether a job was told to give up. Shared by the job's steps, which may
// outlive the Job itself. Thread-safe.
class Cancellation {
 public:
  // OK, or why the job was cancelled.
  absl::Status status() const ABSL_LOCKS_EXCLUDED(mutex_);
  bool cancelled() const { return !status().ok(); }

  // Has `handler` called once, with the status, by the thread that cancels; at
  // once if that has happened. A new handler replaces the last one; null
  // removes it. A handler that is being called may still run after this
  // returns.
  void SetHandler(absl::AnyInvocable<void(absl::Status)> handler)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Only the first call has an effect. `why` is not OK.
  void Cancel(const absl::Status& why) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  // A leaf lock: the handler is called without it.
  mutable absl::Mutex mutex_;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  absl::AnyInvocable<void(absl::Status)> handler_ ABSL_GUARDED_BY(mutex_);
};

// Thread-safe. Must outlive every Job it issued.
class JobTable {
 public:
  // Proof that the holder may mutate one guest. Gives the guest up when
  // destroyed. A moved-from Job owns nothing.
  class Job {
   public:
    Job() = default;
    Job(Job&& other) noexcept;
    Job& operator=(Job&& other) noexcept;
    Job(const Job&) = delete;
    Job& operator=(const Job&) = delete;
    ~Job() { Finish(); }

    // Gives the guest up before the destructor would.
    void Finish();
    bool valid() const { return table_ != nullptr; }
    const std::string& guest() const { return guest_; }
    // Never null while valid().
    const std::shared_ptr<Cancellation>& cancellation() const {
      return cancellation_;
    }

   private:
    friend class JobTable;
    Job(JobTable* table, absl::string_view guest,
        std::shared_ptr<Cancellation> cancellation);

    JobTable* table_ = nullptr;
    std::string guest_;
    std::shared_ptr<Cancellation> cancellation_;
  };

  // Claims `guest` for `verb` ("start", "reboot"). Never blocks. ABORTED
  // (GUEST_BUSY), naming the verb in progress, if the guest is taken.
  absl::StatusOr<Job> Claim(absl::string_view guest, absl::string_view verb)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Tells the job that holds `guest` to give up, for what must not wait for it:
  // a forced stop. False if there is none. The guest stays claimed until the
  // job is finished.
  bool Cancel(absl::string_view guest, const absl::Status& why)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // The verb in progress, for messages; it may be over when this returns.
  std::optional<std::string> VerbOf(absl::string_view guest) const
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Entry {
    std::string verb;
    std::shared_ptr<Cancellation> cancellation;
  };

  void Release(absl::string_view guest) ABSL_LOCKS_EXCLUDED(mutex_);

  // A leaf lock: nothing is called while it is held.
  mutable absl::Mutex mutex_;
  absl::flat_hash_map<std::string, Entry> running_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_GUEST_JOB_TABLE_H_
