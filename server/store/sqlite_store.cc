#include "server/store/sqlite_store.h"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "server/store/store_errors.h"

namespace innkeeper {
namespace {

constexpr size_t kMaxIdleReaders = 8;
// How many writes may share a sync: enough to hide its cost, few enough that
// the first of them does not wait for long.
constexpr size_t kMaxBatch = 64;
// The history is trimmed once in so many revisions.
constexpr int64_t kTrimInterval = 256;

absl::StatusOr<UniqueFd> LockFile(const std::string& path) {
  const std::string lock_path = absl::StrCat(path, ".lock");
  UniqueFd lock(open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock.valid()) {
    const int error = errno;
    return StoreUnavailableError(
        ErrnoError(error, absl::StrCat("cannot open '", lock_path, "'"))
            .message());
  }
  if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    return StoreUnavailableError(
        absl::StrCat("another server has '", path, "' open"));
  }
  return lock;
}

}  // namespace

absl::StatusOr<std::unique_ptr<SqliteStore>> SqliteStore::Open(
    const std::string& path, const Options& options) {
  ASSIGN_OR_RETURN(UniqueFd lock, LockFile(path));
  ASSIGN_OR_RETURN(auto writer, SqliteStoreFile::OpenWriter(path));
  ASSIGN_OR_RETURN(auto watcher, SqliteStoreFile::OpenReader(path));
  ASSIGN_OR_RETURN(const int64_t revision, writer->Revision());
  return std::unique_ptr<SqliteStore>(
      new SqliteStore(path, options, std::move(lock), std::move(writer),
                      std::move(watcher), revision));
}

SqliteStore::SqliteStore(const std::string& path, const Options& options,
                         UniqueFd lock, std::unique_ptr<SqliteStoreFile> writer,
                         std::unique_ptr<SqliteStoreFile> watcher,
                         int64_t revision)
    : path_(path),
      options_(options),
      lock_(std::move(lock)),
      writer_(std::move(writer)),
      watcher_(std::move(watcher)),
      dispatcher_(revision,
                  [this](int64_t from) { return watcher_->ReadHistory(from); }),
      write_thread_([this] { WriteLoop(); }) {}

SqliteStore::~SqliteStore() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  write_thread_.join();
}

absl::StatusOr<std::unique_ptr<SqliteStoreFile>> SqliteStore::BorrowReader() {
  {
    absl::MutexLock lock(&mutex_);
    if (!idle_readers_.empty()) {
      std::unique_ptr<SqliteStoreFile> reader = std::move(idle_readers_.back());
      idle_readers_.pop_back();
      return reader;
    }
  }
  return SqliteStoreFile::OpenReader(path_);
}

void SqliteStore::ReturnReader(std::unique_ptr<SqliteStoreFile> reader) {
  absl::MutexLock lock(&mutex_);
  // One too many closes after the lock is gone: parameters outlive locals.
  if (idle_readers_.size() < kMaxIdleReaders) {
    idle_readers_.push_back(std::move(reader));
  }
}

absl::StatusOr<GetResult> SqliteStore::Get(absl::string_view key) {
  ASSIGN_OR_RETURN(auto reader, BorrowReader());
  absl::StatusOr<GetResult> result = reader->Get(key);
  ReturnReader(std::move(reader));
  return result;
}

absl::StatusOr<ListResult> SqliteStore::List(absl::string_view prefix,
                                             int64_t limit,
                                             absl::string_view start_after) {
  ASSIGN_OR_RETURN(auto reader, BorrowReader());
  absl::StatusOr<ListResult> result = reader->List(prefix, limit, start_after);
  ReturnReader(std::move(reader));
  return result;
}

absl::StatusOr<TxnResult> SqliteStore::Commit(const Txn& txn) {
  RETURN_IF_ERROR(ValidateTxn(txn));
  Pending pending;
  pending.txn = &txn;
  WaitFor(pending);
  return std::move(pending.result);
}

absl::Status SqliteStore::Compact(int64_t revision) {
  Pending pending;
  pending.compact_revision = revision;
  WaitFor(pending);
  return pending.result.status();
}

std::unique_ptr<Watch> SqliteStore::StartWatch(absl::string_view prefix,
                                               int64_t from_revision,
                                               WatchCallback callback) {
  return dispatcher_.StartWatch(prefix, from_revision, std::move(callback));
}

void SqliteStore::WaitFor(Pending& pending) {
  {
    absl::MutexLock lock(&mutex_);
    queue_.push_back(&pending);
  }
  pending.done.WaitForNotification();
}

bool SqliteStore::HasWork() const { return stopping_ || !queue_.empty(); }

void SqliteStore::WriteLoop() {
  while (true) {
    std::vector<Pending*> batch;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(this, &SqliteStore::HasWork));
      if (queue_.empty()) return;
      const auto end = queue_.begin() + static_cast<std::ptrdiff_t>(
                                            std::min(queue_.size(), kMaxBatch));
      batch.assign(queue_.begin(), end);
      queue_.erase(queue_.begin(), end);
    }
    const absl::Status status = Write(batch);
    if (!status.ok()) {
      LogError("store.write_failed",
               {{"path", path_}, {"error", status.ToString()}});
    }
    for (Pending* pending : batch) {
      // An answer made before the failure rests on writes that are void now.
      if (!status.ok()) pending->result = status;
      pending->done.Notify();
    }
  }
}

absl::Status SqliteStore::Write(const std::vector<Pending*>& batch) {
  ASSIGN_OR_RETURN(SqliteTransaction change, writer_->BeginWrite());
  const absl::Time now = options_.clock->Now();
  for (Pending* pending : batch) {
    if (pending->txn != nullptr) {
      ASSIGN_OR_RETURN(pending->result, writer_->Apply(*pending->txn, now));
      continue;
    }
    const absl::Status compacted = writer_->Compact(pending->compact_revision);
    if (absl::IsInvalidArgument(compacted)) {
      pending->result = compacted;
    } else {
      RETURN_IF_ERROR(compacted);
    }
  }
  ASSIGN_OR_RETURN(const int64_t revision, writer_->Revision());
  const bool trim = revision - trimmed_ >= kTrimInterval;
  if (trim) {
    RETURN_IF_ERROR(writer_->Trim(options_.max_history_revisions,
                                  now - options_.max_history_age));
  }
  RETURN_IF_ERROR(change.Commit());
  if (trim) trimmed_ = revision;
  dispatcher_.Advance(revision);
  return absl::OkStatus();
}

}  // namespace innkeeper
