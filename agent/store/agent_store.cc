#include "agent/store/agent_store.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "agent/context/context_record.h"
#include "agent/guest/guest_record.h"
#include "agent/store/change_writer.h"
#include "agent/store/context_record_codec.h"
#include "agent/store/guest_record_codec.h"
#include "agent/store/store_file.h"
#include "agent/store/store_types.h"
#include "base/completion.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/reason.h"
#include "base/sqlite.h"
#include "base/status_macros.h"

namespace innkeeper {
namespace {

constexpr absl::string_view kOperationColumns =
    "name, method, caller, guest, owner, metadata, result, error, done, "
    "create_time, update_time";

OperationRecord ReadOperation(const SqliteStatement& row) {
  const auto bytes = [&row](int column) {
    return std::string(row.Blob(column));
  };
  return {bytes(0),          bytes(1),    bytes(2),    bytes(3),
          bytes(4),          bytes(5),    bytes(6),    bytes(7),
          row.Int64(8) != 0, row.Time(9), row.Time(10)};
}

absl::StatusOr<std::vector<OperationRecord>> ReadOperations(
    SqliteStatement& statement) {
  std::vector<OperationRecord> operations;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, statement.Step());
    if (!found) return operations;
    operations.push_back(ReadOperation(statement));
  }
}

// The number in the only column of the first row; 0 if there is none.
absl::StatusOr<int64_t> ReadNumber(SqliteDatabase& database,
                                   absl::string_view sql) {
  ASSIGN_OR_RETURN(SqliteStatement statement, database.Prepare(sql));
  ASSIGN_OR_RETURN(const bool found, statement.Step());
  return found ? statement.Int64(0) : 0;
}

absl::StatusOr<int64_t> ReadLast(SqliteDatabase& database) {
  return ReadNumber(database,
                    "SELECT seq FROM sqlite_sequence WHERE name = 'events'");
}

absl::StatusOr<int64_t> ReadOldest(SqliteDatabase& database) {
  ASSIGN_OR_RETURN(const int64_t oldest,
                   ReadNumber(database, "SELECT min(sequence) FROM events"));
  if (oldest > 0) return oldest;
  ASSIGN_OR_RETURN(const int64_t last, ReadLast(database));
  return last + 1;
}

absl::StatusOr<std::vector<EventRecord>> ReadEvents(SqliteDatabase& database,
                                                    int64_t after,
                                                    size_t limit) {
  ASSIGN_OR_RETURN(const int64_t last, ReadLast(database));
  ASSIGN_OR_RETURN(const int64_t oldest, ReadOldest(database));
  if (after < oldest - 1 || after > last) {
    return Error(absl::StatusCode::kOutOfRange, reason::kHistoryGone,
                 absl::StrCat("events after ", after,
                              " cannot be told: ", oldest, " to ", last,
                              " are kept; list afresh and watch from there"))
        .With("after", absl::StrCat(after))
        .With("oldest", absl::StrCat(oldest))
        .With("last", absl::StrCat(last));
  }
  ASSIGN_OR_RETURN(
      SqliteStatement rows,
      database.Prepare("SELECT sequence, time, guest, owner, type, payload "
                       "FROM events WHERE sequence > ? "
                       "ORDER BY sequence LIMIT ?"));
  rows.BindInt64(1, after).BindInt64(2, static_cast<int64_t>(limit));
  std::vector<EventRecord> events;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, rows.Step());
    if (!found) return events;
    events.push_back({rows.Int64(0), rows.Time(1), std::string(rows.Blob(2)),
                      std::string(rows.Blob(3)), std::string(rows.Blob(4)),
                      std::string(rows.Blob(5))});
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<AgentStore>> AgentStore::Open(Options options) {
  ASSIGN_OR_RETURN(StoreFile file, OpenStoreFile(options.path, *options.clock));
  ASSIGN_OR_RETURN(auto reader, SqliteDatabase::Open(options.path));
  // NOLINTNEXTLINE(cppcoreguidelines-owning-memory): private constructor.
  std::unique_ptr<AgentStore> store(
      new AgentStore(std::move(options), std::move(file), std::move(reader)));
  ASSIGN_OR_RETURN(store->writer_,
                   ChangeWriter::Create(*store->file_.database,
                                        store->options_.ledger_life));
  store->thread_ = std::thread([raw = store.get()] { raw->RunWriter(); });
  return store;
}

AgentStore::AgentStore(Options options, StoreFile file,
                       std::unique_ptr<SqliteDatabase> reader)
    : options_(std::move(options)),
      file_(std::move(file)),
      reader_(std::move(reader)) {}

AgentStore::~AgentStore() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

void AgentStore::Commit(Change change, Completion<CommitResult> done) {
  Enqueue({std::move(change), std::move(done)});
}

absl::StatusOr<CommitResult> AgentStore::Commit(Change change) {
  return EnqueueAndWait(std::move(change));
}

absl::Status AgentStore::CollectGarbage() {
  return EnqueueAndWait(std::nullopt).status();
}

void AgentStore::Enqueue(Task task) {
  absl::MutexLock lock(&mutex_);
  queue_.push_back(std::move(task));
}

absl::StatusOr<CommitResult> AgentStore::EnqueueAndWait(
    std::optional<Change> change) {
  absl::Notification answered;
  absl::StatusOr<CommitResult> answer;
  Enqueue({std::move(change), [&](absl::StatusOr<CommitResult> result) {
             answer = std::move(result);
             answered.Notify();
           }});
  answered.WaitForNotification();
  return answer;
}

void AgentStore::RunWriter() {
  while (true) {
    std::vector<Task> batch;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(this, &AgentStore::HasWork));
      if (queue_.empty()) return;
      batch.swap(queue_);
    }
    DoBatch(std::move(batch));
  }
}

void AgentStore::DoBatch(std::vector<Task> batch) {
  SqliteDatabase& database = *file_.database;
  const absl::Time now = options_.clock->Now();
  std::vector<absl::StatusOr<CommitResult>> results;
  absl::Status status = database.Execute("BEGIN IMMEDIATE");
  for (const Task& task : batch) {
    if (!status.ok()) break;
    if (task.change.has_value()) {
      results.push_back(writer_.Apply(*task.change, now));
    } else {
      const absl::Status collected = CollectGarbageNow(now);
      results.push_back(collected.ok()
                            ? absl::StatusOr<CommitResult>(CommitResult())
                            : collected);
    }
    // What ends the transaction undoes the tasks before this one, too.
    if (!database.InTransaction()) status = results.back().status();
  }
  if (status.ok()) {
    INNKEEPER_FAILPOINT("agent.store.before_commit");
    status = database.Execute("COMMIT");
    INNKEEPER_FAILPOINT("agent.store.after_commit");
  }
  if (database.InTransaction()) database.Execute("ROLLBACK").IgnoreError();
  for (size_t i = 0; i < batch.size(); ++i) {
    batch[i].done(status.ok() ? std::move(results[i])
                              : absl::StatusOr<CommitResult>(status));
  }
}

absl::Status AgentStore::CollectGarbageNow(absl::Time now) {
  SqliteDatabase& database = *file_.database;
  ASSIGN_OR_RETURN(SqliteStatement ledger,
                   database.Prepare("DELETE FROM ledger "
                                    "WHERE create_time <= ?"));
  RETURN_IF_ERROR(ledger.BindTime(1, now - options_.ledger_life).Run());
  ASSIGN_OR_RETURN(SqliteStatement operations,
                   database.Prepare("DELETE FROM operations "
                                    "WHERE done = 1 AND update_time <= ?"));
  RETURN_IF_ERROR(operations.BindTime(1, now - options_.operation_life).Run());
  // Always from the front, so that what is kept has no holes even where the
  // clock was set back.
  ASSIGN_OR_RETURN(
      SqliteStatement events,
      database.Prepare("DELETE FROM events WHERE sequence < coalesce("
                       "(SELECT sequence FROM events WHERE time > ?1 "
                       "ORDER BY sequence LIMIT 1), 9223372036854775807) "
                       "OR sequence <= ?2"));
  ASSIGN_OR_RETURN(const int64_t last, ReadLast(database));
  return events.BindTime(1, now - options_.event_life)
      .BindInt64(2, last - options_.max_events)
      .Run();
}

absl::StatusOr<AgentStore::Guests> AgentStore::LoadGuests() {
  absl::MutexLock lock(&reader_mutex_);
  ASSIGN_OR_RETURN(
      SqliteStatement rows,
      reader_->Prepare("SELECT id, revision, record FROM guests ORDER BY id"));
  Guests guests;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, rows.Step());
    if (!found) return guests;
    const std::string id(rows.Blob(0));
    absl::StatusOr<GuestRecord> record =
        ParseGuestRecord(std::string(rows.Blob(2)));
    if (record.ok() && record->id == id && record->revision == rows.Int64(1)) {
      guests.records.push_back(*std::move(record));
    } else {
      guests.damaged.push_back(id);
    }
  }
}

absl::StatusOr<AgentStore::Contexts> AgentStore::LoadContexts() {
  absl::MutexLock lock(&reader_mutex_);
  ASSIGN_OR_RETURN(
      SqliteStatement rows,
      reader_->Prepare("SELECT id, record FROM contexts ORDER BY id"));
  Contexts contexts;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, rows.Step());
    if (!found) return contexts;
    const std::string id(rows.Blob(0));
    absl::StatusOr<ContextRecord> record =
        ParseContextRecord(std::string(rows.Blob(1)));
    if (record.ok() && record->id == id) {
      contexts.records.push_back(*std::move(record));
    } else {
      contexts.damaged.push_back(id);
    }
  }
}

absl::StatusOr<OperationRecord> AgentStore::GetOperation(
    absl::string_view name) {
  absl::MutexLock lock(&reader_mutex_);
  ASSIGN_OR_RETURN(
      SqliteStatement row,
      reader_->Prepare(absl::StrCat("SELECT ", kOperationColumns,
                                    " FROM operations WHERE name = ?")));
  ASSIGN_OR_RETURN(const bool found, row.BindText(1, name).Step());
  if (found) {
    OperationRecord operation = ReadOperation(row);
    if (!operation.done ||
        operation.update_time >
            options_.clock->Now() - options_.operation_life) {
      return operation;
    }
  }
  return Error(absl::StatusCode::kNotFound, reason::kOperationNotFound,
               absl::StrCat("operation '", name, "' does not exist"))
      .With("operation", name);
}

absl::StatusOr<std::vector<OperationRecord>> AgentStore::ListOperations(
    absl::string_view after, size_t limit) {
  absl::MutexLock lock(&reader_mutex_);
  ASSIGN_OR_RETURN(
      SqliteStatement rows,
      reader_->Prepare(absl::StrCat(
          "SELECT ", kOperationColumns,
          " FROM operations WHERE name > ? AND (done = 0 OR update_time > ?) "
          "ORDER BY name LIMIT ?")));
  rows.BindText(1, after)
      .BindTime(2, options_.clock->Now() - options_.operation_life)
      .BindInt64(3, static_cast<int64_t>(limit));
  return ReadOperations(rows);
}

absl::StatusOr<std::vector<OperationRecord>>
AgentStore::ListUnfinishedOperations() {
  absl::MutexLock lock(&reader_mutex_);
  ASSIGN_OR_RETURN(SqliteStatement rows, reader_->Prepare(absl::StrCat(
                                             "SELECT ", kOperationColumns,
                                             " FROM operations WHERE done = 0 "
                                             "ORDER BY name")));
  return ReadOperations(rows);
}

absl::StatusOr<std::optional<LedgerEntry>> AgentStore::FindRequest(
    absl::string_view caller, absl::string_view method,
    absl::string_view request_id) {
  absl::MutexLock lock(&reader_mutex_);
  ASSIGN_OR_RETURN(SqliteStatement row, reader_->Prepare(absl::StrCat(
                                            "SELECT ", kLedgerColumns,
                                            " FROM ledger WHERE caller = ? AND "
                                            "method = ? AND request_id = ?")));
  row.BindText(1, caller).BindText(2, method).BindText(3, request_id);
  ASSIGN_OR_RETURN(const bool found, row.Step());
  std::optional<LedgerEntry> entry;
  if (found) entry = ReadLedgerRow(row);
  if (entry.has_value() &&
      entry->create_time <= options_.clock->Now() - options_.ledger_life) {
    entry.reset();
  }
  return entry;
}

absl::StatusOr<std::vector<EventRecord>> AgentStore::EventsAfter(int64_t after,
                                                                 size_t limit) {
  absl::MutexLock lock(&reader_mutex_);
  // One transaction, so that nothing is collected between check and read.
  ASSIGN_OR_RETURN(const SqliteTransaction view,
                   SqliteTransaction::BeginRead(reader_.get()));
  return ReadEvents(*reader_, after, limit);
}

absl::StatusOr<int64_t> AgentStore::LastSequence() {
  absl::MutexLock lock(&reader_mutex_);
  return ReadLast(*reader_);
}

absl::StatusOr<int64_t> AgentStore::OldestSequence() {
  absl::MutexLock lock(&reader_mutex_);
  return ReadOldest(*reader_);
}

}  // namespace innkeeper
