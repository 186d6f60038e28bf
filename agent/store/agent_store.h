// The agent's memory: guests, contexts, operations, request ledger and event
// log.
#ifndef INNKEEPER_AGENT_STORE_AGENT_STORE_H_
#define INNKEEPER_AGENT_STORE_AGENT_STORE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "agent/context/context_record.h"
#include "agent/guest/guest_record.h"
#include "agent/store/change_writer.h"
#include "agent/store/store_file.h"
#include "agent/store/store_types.h"
#include "base/clock.h"
#include "base/completion.h"
#include "base/sqlite.h"

namespace innkeeper {

// One SQLite file. A commit that was answered OK survives a crash of the
// process and of the machine. Thread-safe.
//
// Each method but Commit(change, done) blocks on the disk, so it is for
// executor threads, never for an event loop. Each may fail with UNAVAILABLE
// (STORE_UNAVAILABLE) if the disk is full or broken, and works again once it
// is not; and with DATA_LOSS if the file was damaged while it was open.
class AgentStore {
 public:
  struct Options {
    // The database, mode 0600; "-wal", "-shm" and "-lock" lie beside it. A
    // damaged one moves to "PATH.damaged", in place of an older such copy. Its
    // directory must exist.
    std::string path;
    const Clock* clock = Clock::Real();  // Must outlive the store.
    absl::Duration event_life = absl::Hours(24);
    int64_t max_events = 100000;
    absl::Duration ledger_life = absl::Hours(24);
    // Of an operation that is done.
    absl::Duration operation_life = absl::Hours(24 * 30);
  };

  // Every guest that can be read, and the ids of those whose bytes are damaged:
  // the caller rebuilds them from their manifests.
  struct Guests {
    std::vector<GuestRecord> records;
    std::vector<std::string> damaged;
  };

  // The same for contexts; of those nothing else remembers one that is damaged.
  struct Contexts {
    std::vector<ContextRecord> records;
    std::vector<std::string> damaged;
  };

  // Opens or makes the database and checks its integrity. One that is damaged
  // is moved aside and an empty one made: see fresh(). FAILED_PRECONDITION
  // (STORE_UNAVAILABLE) if a newer version of Innkeeper wrote it or another
  // process has it open.
  static absl::StatusOr<std::unique_ptr<AgentStore>> Open(Options options);

  AgentStore(const AgentStore&) = delete;
  AgentStore& operator=(const AgentStore&) = delete;
  // Finishes the commits that were begun.
  ~AgentStore();

  // Whether Open made the database: the caller then rebuilds the guests from
  // their manifests.
  bool fresh() const { return file_.fresh; }
  // Where a damaged database was moved; empty if none was.
  const std::string& damaged_copy() const { return file_.damaged_copy; }
  // The incarnation of the database: event sequences of different epochs have
  // nothing to do with each other. Greater than 0.
  int64_t epoch() const { return file_.epoch; }

  // Does all of `change` durably, or nothing. Changes of several callers share
  // one sync of the disk.
  //  - INVALID_ARGUMENT (REQUEST_ID_REUSED): the request was taken before with
  //    another body.
  //  - ALREADY_EXISTS (GUEST_EXISTS): a guest of revision 1 is there already.
  //  - ABORTED (STORE_CONFLICT): a guest's revision is not the next one.
  //  - UNAVAILABLE (STORE_UNAVAILABLE): nothing was done.
  absl::StatusOr<CommitResult> Commit(Change change)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // The same without blocking. `done` runs on the store's own thread, where
  // every other commit waits for it: let it only hand the answer on. Commits
  // of one thread are done in their order.
  void Commit(Change change, Completion<CommitResult> done)
      ABSL_LOCKS_EXCLUDED(mutex_);

  absl::StatusOr<Guests> LoadGuests() ABSL_LOCKS_EXCLUDED(reader_mutex_);

  absl::StatusOr<Contexts> LoadContexts() ABSL_LOCKS_EXCLUDED(reader_mutex_);

  // NOT_FOUND (OPERATION_NOT_FOUND) if absent or past its life.
  absl::StatusOr<OperationRecord> GetOperation(absl::string_view name)
      ABSL_LOCKS_EXCLUDED(reader_mutex_);
  // The operations whose name is greater than `after`, by name, at most
  // `limit`.
  absl::StatusOr<std::vector<OperationRecord>> ListOperations(
      absl::string_view after, size_t limit) ABSL_LOCKS_EXCLUDED(reader_mutex_);
  // Those that are not done: work that the last process left.
  absl::StatusOr<std::vector<OperationRecord>> ListUnfinishedOperations()
      ABSL_LOCKS_EXCLUDED(reader_mutex_);

  // The entry of a request, nullopt if it is new. The body is not compared.
  absl::StatusOr<std::optional<LedgerEntry>> FindRequest(
      absl::string_view caller, absl::string_view method,
      absl::string_view request_id) ABSL_LOCKS_EXCLUDED(reader_mutex_);

  // The events after sequence `after`, in order, at most `limit`. OUT_OF_RANGE
  // (HISTORY_GONE) if some of them are no longer kept, or `after` lies beyond
  // the last one.
  absl::StatusOr<std::vector<EventRecord>> EventsAfter(int64_t after,
                                                       size_t limit)
      ABSL_LOCKS_EXCLUDED(reader_mutex_);
  // The sequence of the newest event ever; 0 if there was none.
  absl::StatusOr<int64_t> LastSequence() ABSL_LOCKS_EXCLUDED(reader_mutex_);
  // The sequence of the oldest event kept; LastSequence() + 1 if none is.
  absl::StatusOr<int64_t> OldestSequence() ABSL_LOCKS_EXCLUDED(reader_mutex_);

  // Removes what is past its life. For a timer of some minutes.
  absl::Status CollectGarbage() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  // One thing for the writer thread to do.
  struct Task {
    std::optional<Change> change;  // Null: collect garbage.
    Completion<CommitResult> done;
  };

  AgentStore(Options options, StoreFile file,
             std::unique_ptr<SqliteDatabase> reader);
  void Enqueue(Task task) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<CommitResult> EnqueueAndWait(std::optional<Change> change)
      ABSL_LOCKS_EXCLUDED(mutex_);
  bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopping_ || !queue_.empty();
  }
  void RunWriter() ABSL_LOCKS_EXCLUDED(mutex_);
  // Does `batch` in one transaction and answers each task.
  void DoBatch(std::vector<Task> batch);
  absl::Status CollectGarbageNow(absl::Time now);

  const Options options_;
  // What lies in `file_.database` belongs to the writer thread.
  StoreFile file_;
  ChangeWriter writer_;  // Writes to `file_.database`; made by Open.

  // Held while a query runs, for SQLite allows one at a time on a connection.
  absl::Mutex reader_mutex_;
  const std::unique_ptr<SqliteDatabase> reader_
      ABSL_PT_GUARDED_BY(reader_mutex_);

  // A leaf lock: guards the queue, never held over SQLite.
  absl::Mutex mutex_;
  std::vector<Task> queue_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  // The last member: it uses the others.
  std::thread thread_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_STORE_AGENT_STORE_H_
