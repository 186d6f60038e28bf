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
#include "agent/guest/guest_record.h"
#include "agent/store/change_writer.h"
#include "agent/store/guest_record_codec.h"
#include "agent/store/sqlite.h"
#include "agent/store/store_file.h"
#include "agent/store/store_types.h"
#include "base/completion.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/reason.h"
#include "base/status_macros.h"

namespace innkeeper {
namespace {

constexpr absl::string_view kOperationColumns =
    "name, method, caller, guest, owner, metadata, result, error, done, "
    "create_time, update_time";

OperationRecord ReadOperation(const Statement& row) {
  return {row.Bytes(0),    row.Bytes(1), row.Bytes(2), row.Bytes(3),
          row.Bytes(4),    row.Bytes(5), row.Bytes(6), row.Bytes(7),
          row.Int(8) != 0, row.Time(9),  row.Time(10)};
}

absl::StatusOr<std::vector<OperationRecord>> ReadOperations(
    Statement& statement) {
  std::vector<OperationRecord> operations;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, statement.Step());
    if (!found) return operations;
    operations.push_back(ReadOperation(statement));
  }
}

// The number in the only column of the first row; 0 if there is none.
absl::StatusOr<int64_t> ReadNumber(Database& database, absl::string_view sql) {
  ASSIGN_OR_RETURN(Statement statement, database.Prepare(sql));
  ASSIGN_OR_RETURN(const bool found, statement.Step());
  return found ? statement.Int(0) : 0;
}

absl::StatusOr<int64_t> ReadLast(Database& database) {
  return ReadNumber(database,
                    "SELECT seq FROM sqlite_sequence WHERE name = 'events'");
}

absl::StatusOr<int64_t> ReadOldest(Database& database) {
  ASSIGN_OR_RETURN(const int64_t oldest,
                   ReadNumber(database, "SELECT min(sequence) FROM events"));
  if (oldest > 0) return oldest;
  ASSIGN_OR_RETURN(const int64_t last, ReadLast(database));
  return last + 1;
}

absl::StatusOr<std::vector<EventRecord>> ReadEvents(Database& database,
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
      Statement rows,
      database.Prepare("SELECT sequence, time, guest, owner, type, payload "
                       "FROM events WHERE sequence > ? "
                       "ORDER BY sequence LIMIT ?"));
  rows.Bind(1, after).Bind(2, static_cast<int64_t>(limit));
  std::vector<EventRecord> events;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, rows.Step());
    if (!found) return events;
    events.push_back({rows.Int(0), rows.Time(1), rows.Bytes(2), rows.Bytes(3),
                      rows.Bytes(4), rows.Bytes(5)});
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<AgentStore>> AgentStore::Open(Options options) {
  ASSIGN_OR_RETURN(StoreFile file, OpenStoreFile(options.path, *options.clock));
  ASSIGN_OR_RETURN(Database reader, Database::Open(options.path));
  // NOLINTNEXTLINE(cppcoreguidelines-owning-memory): private constructor.
  std::unique_ptr<AgentStore> store(
      new AgentStore(std::move(options), std::move(file), std::move(reader)));
  ASSIGN_OR_RETURN(
      store->writer_,
      ChangeWriter::Create(store->file_.database, store->options_.ledger_life));
  store->thread_ = std::thread([raw = store.get()] { raw->RunWriter(); });
  return store;
}

AgentStore::AgentStore(Options options, StoreFile file, Database reader)
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
  Database& database = file_.database;
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
  Database& database = file_.database;
  ASSIGN_OR_RETURN(Statement ledger,
                   database.Prepare("DELETE FROM ledger "
                                    "WHERE create_time <= ?"));
  RETURN_IF_ERROR(ledger.Bind(1, now - options_.ledger_life).Run());
  ASSIGN_OR_RETURN(Statement operations,
                   database.Prepare("DELETE FROM operations "
                                    "WHERE done = 1 AND update_time <= ?"));
  RETURN_IF_ERROR(operations.Bind(1, now - options_.operation_life).Run());
  // Always from the front, so that what is kept has no holes even where the
  // clock was set back.
  ASSIGN_OR_RETURN(
      Statement events,
      database.Prepare("DELETE FROM events WHERE sequence < coalesce("
                       "(SELECT sequence FROM events WHERE time > ?1 "
                       "ORDER BY sequence LIMIT 1), 9223372036854775807) "
                       "OR sequence <= ?2"));
  ASSIGN_OR_RETURN(const int64_t last, ReadLast(database));
  return events.Bind(1, now - options_.event_life)
      .Bind(2, last - options_.max_events)
      .Run();
}

absl::StatusOr<AgentStore::Guests> AgentStore::LoadGuests() {
  absl::MutexLock lock(&reader_mutex_);
  ASSIGN_OR_RETURN(
      Statement rows,
      reader_.Prepare("SELECT id, revision, record FROM guests ORDER BY id"));
  Guests guests;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, rows.Step());
    if (!found) return guests;
    const std::string id = rows.Bytes(0);
    absl::StatusOr<GuestRecord> record = ParseGuestRecord(rows.Bytes(2));
    if (record.ok() && record->id == id && record->revision == rows.Int(1)) {
      guests.records.push_back(*std::move(record));
    } else {
      guests.damaged.push_back(id);
    }
  }
}

absl::StatusOr<OperationRecord> AgentStore::GetOperation(
    absl::string_view name) {
  absl::MutexLock lock(&reader_mutex_);
  ASSIGN_OR_RETURN(Statement row, reader_.Prepare(absl::StrCat(
                                      "SELECT ", kOperationColumns,
                                      " FROM operations WHERE name = ?")));
  ASSIGN_OR_RETURN(const bool found, row.Bind(1, name).Step());
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
      Statement rows,
      reader_.Prepare(absl::StrCat(
          "SELECT ", kOperationColumns,
          " FROM operations WHERE name > ? AND (done = 0 OR update_time > ?) "
          "ORDER BY name LIMIT ?")));
  rows.Bind(1, after)
      .Bind(2, options_.clock->Now() - options_.operation_life)
      .Bind(3, static_cast<int64_t>(limit));
  return ReadOperations(rows);
}

absl::StatusOr<std::vector<OperationRecord>>
AgentStore::ListUnfinishedOperations() {
  absl::MutexLock lock(&reader_mutex_);
  ASSIGN_OR_RETURN(Statement rows, reader_.Prepare(absl::StrCat(
                                       "SELECT ", kOperationColumns,
                                       " FROM operations WHERE done = 0 "
                                       "ORDER BY name")));
  return ReadOperations(rows);
}

absl::StatusOr<std::optional<LedgerEntry>> AgentStore::FindRequest(
    absl::string_view caller, absl::string_view method,
    absl::string_view request_id) {
  absl::MutexLock lock(&reader_mutex_);
  ASSIGN_OR_RETURN(Statement row, reader_.Prepare(absl::StrCat(
                                      "SELECT ", kLedgerColumns,
                                      " FROM ledger WHERE caller = ? AND "
                                      "method = ? AND request_id = ?")));
  row.Bind(1, caller).Bind(2, method).Bind(3, request_id);
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
  RETURN_IF_ERROR(reader_.Execute("BEGIN"));
  absl::StatusOr<std::vector<EventRecord>> events =
      ReadEvents(reader_, after, limit);
  RETURN_IF_ERROR(reader_.Execute("COMMIT"));
  return events;
}

absl::StatusOr<int64_t> AgentStore::LastSequence() {
  absl::MutexLock lock(&reader_mutex_);
  return ReadLast(reader_);
}

absl::StatusOr<int64_t> AgentStore::OldestSequence() {
  absl::MutexLock lock(&reader_mutex_);
  return ReadOldest(reader_);
}

}  // namespace innkeeper
