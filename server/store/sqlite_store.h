// The embedded Store, for a cluster with one server: a SQLite file.
#ifndef INNKEEPER_SERVER_STORE_SQLITE_STORE_H_
#define INNKEEPER_SERVER_STORE_SQLITE_STORE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/unique_fd.h"
#include "server/store/sqlite_store_file.h"
#include "server/store/store.h"
#include "server/store/watch_dispatcher.h"

namespace innkeeper {

// Thread-safe. Writes go through one thread, which makes those that wait
// durable together, with one sync of the disk; each read has a connection of
// its own. A write to a full disk fails and leaves the file as it was.
//
// A watch can start at, or lag behind by, the last 10,000 revisions, as far as
// they are younger than 10 minutes.
class SqliteStore : public Store {
 public:
  struct Options {
    const Clock* clock = Clock::Real();
    int64_t max_history_revisions = 10'000;
    absl::Duration max_history_age = absl::Minutes(10);
  };

  // Opens the file `path`, made if absent, in a directory that exists, and
  // holds `path`.lock until destroyed. Blocks; reads the whole file.
  // UNAVAILABLE (STORE_UNAVAILABLE): it cannot be opened, or another server
  // has it open. DATA_LOSS (INTERNAL): it is damaged. FAILED_PRECONDITION
  // (STORE_UNAVAILABLE): a newer version of the server wrote it.
  static absl::StatusOr<std::unique_ptr<SqliteStore>> Open(
      const std::string& path, const Options& options);
  static absl::StatusOr<std::unique_ptr<SqliteStore>> Open(
      const std::string& path) {
    return Open(path, Options());
  }

  // No method is running and every Watch is gone by now.
  ~SqliteStore() override;

  absl::StatusOr<GetResult> Get(absl::string_view key) override;
  absl::StatusOr<ListResult> List(absl::string_view prefix, int64_t limit,
                                  absl::string_view start_after) override;
  absl::StatusOr<TxnResult> Commit(const Txn& txn) override;
  std::unique_ptr<Watch> StartWatch(absl::string_view prefix,
                                    int64_t from_revision,
                                    WatchCallback callback) override;
  absl::Status Compact(int64_t revision) override;

 private:
  // A write that waits for the writing thread, on its caller's stack.
  struct Pending {
    const Txn* txn = nullptr;  // Null: compact instead.
    int64_t compact_revision = 0;
    absl::StatusOr<TxnResult> result = TxnResult();
    absl::Notification done;
  };

  SqliteStore(const std::string& path, const Options& options, UniqueFd lock,
              std::unique_ptr<SqliteStoreFile> writer,
              std::unique_ptr<SqliteStoreFile> watcher, int64_t revision);

  void WaitFor(Pending& pending) ABSL_LOCKS_EXCLUDED(mutex_);
  bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WriteLoop() ABSL_LOCKS_EXCLUDED(mutex_);
  // Writes all of `batch` and gives each its result. Fails if none of them
  // was written.
  absl::Status Write(const std::vector<Pending*>& batch);

  // A connection that is not in use, or a new one.
  absl::StatusOr<std::unique_ptr<SqliteStoreFile>> BorrowReader()
      ABSL_LOCKS_EXCLUDED(mutex_);
  void ReturnReader(std::unique_ptr<SqliteStoreFile> reader)
      ABSL_LOCKS_EXCLUDED(mutex_);

  const std::string path_;
  const Options options_;
  const UniqueFd lock_;  // Held as long as the file is ours.
  const std::unique_ptr<SqliteStoreFile> writer_;   // The writing thread's.
  const std::unique_ptr<SqliteStoreFile> watcher_;  // The dispatcher's.
  // Of the writing thread: the revision at which the history was trimmed.
  int64_t trimmed_ = 0;

  // A leaf lock: nothing is called while it is held.
  absl::Mutex mutex_;
  std::vector<Pending*> queue_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<SqliteStoreFile>> idle_readers_
      ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;

  WatchDispatcher dispatcher_;
  std::thread write_thread_;  // Started last: it uses all of the above.
};

}  // namespace innkeeper

#endif  // INNKEEPER_SERVER_STORE_SQLITE_STORE_H_
