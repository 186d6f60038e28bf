#include "agent/store/change_writer.h"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "agent/guest/guest_name.h"
#include "agent/store/context_record_codec.h"
#include "agent/store/guest_record_codec.h"
#include "agent/store/store_types.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/sqlite.h"
#include "base/status_macros.h"

namespace innkeeper {

LedgerEntry ReadLedgerRow(const SqliteStatement& row) {
  const auto bytes = [&row](int column) {
    return std::string(row.Blob(column));
  };
  return {bytes(0), bytes(1), bytes(2),   bytes(3),
          bytes(4), bytes(5), row.Time(6)};
}

absl::StatusOr<ChangeWriter> ChangeWriter::Create(SqliteDatabase& database,
                                                  absl::Duration ledger_life) {
  ChangeWriter writer;
  writer.database_ = &database;
  writer.ledger_life_ = ledger_life;
  const struct {
    SqliteStatement* statement;
    std::string sql;
  } statements[] = {
      {&writer.begin_, "SAVEPOINT change"},
      {&writer.release_, "RELEASE change"},
      {&writer.undo_, "ROLLBACK TO change"},
      {&writer.find_guest_, "SELECT revision FROM guests WHERE id = ?"},
      {&writer.put_guest_,
       "INSERT INTO guests (id, revision, record) VALUES (?, ?, ?) "
       "ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, "
       "record = excluded.record"},
      {&writer.delete_guest_, "DELETE FROM guests WHERE id = ?"},
      {&writer.put_context_,
       "INSERT OR REPLACE INTO contexts (id, record) VALUES (?, ?)"},
      {&writer.delete_context_, "DELETE FROM contexts WHERE id = ?"},
      {&writer.put_operation_,
       "INSERT INTO operations (name, method, caller, guest, owner, metadata, "
       "result, error, done, create_time, update_time) "
       "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
       "ON CONFLICT (name) DO UPDATE SET metadata = excluded.metadata, "
       "result = excluded.result, error = excluded.error, "
       "done = excluded.done, update_time = excluded.update_time"},
      {&writer.find_request_,
       absl::StrCat("SELECT ", kLedgerColumns,
                    " FROM ledger WHERE caller = ? AND method = ? AND "
                    "request_id = ?")},
      {&writer.put_request_,
       absl::StrCat("INSERT OR REPLACE INTO ledger (", kLedgerColumns,
                    ") VALUES (?, ?, ?, ?, ?, ?, ?)")},
      {&writer.answer_request_,
       "UPDATE ledger SET operation = ?, response = ? "
       "WHERE caller = ? AND method = ? AND request_id = ?"},
      {&writer.append_event_,
       "INSERT INTO events (time, guest, owner, type, payload) "
       "VALUES (?, ?, ?, ?, ?)"},
  };
  for (const auto& [statement, sql] : statements) {
    ASSIGN_OR_RETURN(*statement, database.Prepare(sql));
  }
  return writer;
}

absl::StatusOr<CommitResult> ChangeWriter::Apply(const Change& change,
                                                 absl::Time now) {
  RETURN_IF_ERROR(begin_.Run());
  absl::StatusOr<CommitResult> result = ApplyParts(change, now);
  // Some errors end the whole transaction, and this savepoint with it.
  if (!database_->InTransaction()) return result;
  if (!result.ok()) RETURN_IF_ERROR(undo_.Run());
  RETURN_IF_ERROR(release_.Run());
  return result;
}

absl::StatusOr<CommitResult> ChangeWriter::ApplyParts(const Change& change,
                                                      absl::Time now) {
  CommitResult result;
  if (change.ledger.has_value()) {
    ASSIGN_OR_RETURN(result.earlier, TakeRequest(*change.ledger, now));
    if (result.earlier.has_value()) return result;
  }
  if (change.ledger_answer.has_value()) {
    RETURN_IF_ERROR(AnswerRequest(*change.ledger_answer));
  }
  for (const GuestRecord& record : change.put_guests) {
    RETURN_IF_ERROR(PutGuest(record));
  }
  for (const std::string& id : change.delete_guests) {
    RETURN_IF_ERROR(DeleteGuest(id));
  }
  for (const ContextRecord& context : change.put_contexts) {
    RETURN_IF_ERROR(PutContext(context));
  }
  for (const std::string& id : change.delete_contexts) {
    RETURN_IF_ERROR(delete_context_.BindText(1, id).Run());
  }
  for (const OperationRecord& operation : change.put_operations) {
    RETURN_IF_ERROR(PutOperation(operation));
  }
  for (const EventRecord& event : change.events) {
    ASSIGN_OR_RETURN(const int64_t sequence, AppendEvent(event));
    result.sequences.push_back(sequence);
  }
  return result;
}

absl::StatusOr<std::optional<LedgerEntry>> ChangeWriter::TakeRequest(
    const LedgerEntry& entry, absl::Time now) {
  find_request_.BindText(1, entry.caller)
      .BindText(2, entry.method)
      .BindText(3, entry.request_id);
  const absl::StatusOr<bool> found = find_request_.Step();
  std::optional<LedgerEntry> earlier;
  if (found.ok() && *found) earlier = ReadLedgerRow(find_request_);
  find_request_.Reset();
  RETURN_IF_ERROR(found.status());
  if (earlier.has_value() && earlier->create_time > now - ledger_life_) {
    if (earlier->body_sha256 == entry.body_sha256) return earlier;
    return Error(absl::StatusCode::kInvalidArgument, reason::kRequestIdReused,
                 absl::StrCat("request_id '", entry.request_id,
                              "' was used for another ", entry.method,
                              "; take a new one for a new request"))
        .With("request_id", entry.request_id)
        .With("method", entry.method)
        .Field("request_id", "was used with another body");
  }
  RETURN_IF_ERROR(put_request_.BindText(1, entry.caller)
                      .BindText(2, entry.method)
                      .BindText(3, entry.request_id)
                      .BindBlob(4, entry.body_sha256)
                      .BindText(5, entry.operation)
                      .BindBlob(6, entry.response)
                      .BindTime(7, entry.create_time)
                      .Run());
  return std::nullopt;
}

absl::Status ChangeWriter::AnswerRequest(const LedgerEntry& entry) {
  return answer_request_.BindText(1, entry.operation)
      .BindBlob(2, entry.response)
      .BindText(3, entry.caller)
      .BindText(4, entry.method)
      .BindText(5, entry.request_id)
      .Run();
}

absl::Status ChangeWriter::PutGuest(const GuestRecord& record) {
  find_guest_.BindText(1, record.id);
  const absl::StatusOr<bool> found = find_guest_.Step();
  const int64_t stored = found.ok() && *found ? find_guest_.Int64(0) : 0;
  find_guest_.Reset();
  RETURN_IF_ERROR(found.status());
  if (stored != 0 && record.revision == 1) {
    return Error(absl::StatusCode::kAlreadyExists, reason::kGuestExists,
                 absl::StrCat("guest id '", record.id,
                              "' is in use; choose another"))
        .With("guest", ToGuestName(record.id));
  }
  if (record.revision != stored + 1) {
    return Error(absl::StatusCode::kAborted, reason::kStoreConflict,
                 absl::StrCat("guest '", record.id, "' has revision ", stored,
                              ", so that revision ", record.revision,
                              " cannot follow; read it and try again"))
        .With("guest", ToGuestName(record.id));
  }
  const std::string bytes = SerializeGuestRecord(record);
  if (bytes.size() > kMaxGuestRecordBytes) {
    return Error(
        absl::StatusCode::kInternal, reason::kInternal,
        absl::StrCat("the record of guest '", record.id, "' has ", bytes.size(),
                     " bytes, more than ", kMaxGuestRecordBytes));
  }
  return put_guest_.BindText(1, record.id)
      .BindInt64(2, record.revision)
      .BindBlob(3, bytes)
      .Run();
}

absl::Status ChangeWriter::DeleteGuest(const std::string& id) {
  return delete_guest_.BindText(1, id).Run();
}

absl::Status ChangeWriter::PutContext(const ContextRecord& context) {
  return put_context_.BindText(1, context.id)
      .BindBlob(2, SerializeContextRecord(context))
      .Run();
}

absl::Status ChangeWriter::PutOperation(const OperationRecord& operation) {
  return put_operation_.BindText(1, operation.name)
      .BindText(2, operation.method)
      .BindText(3, operation.caller)
      .BindText(4, operation.guest)
      .BindText(5, operation.owner)
      .BindBlob(6, operation.metadata)
      .BindBlob(7, operation.result)
      .BindBlob(8, operation.error)
      .BindInt64(9, operation.done ? 1 : 0)
      .BindTime(10, operation.create_time)
      .BindTime(11, operation.update_time)
      .Run();
}

absl::StatusOr<int64_t> ChangeWriter::AppendEvent(const EventRecord& event) {
  RETURN_IF_ERROR(append_event_.BindTime(1, event.time)
                      .BindText(2, event.guest)
                      .BindText(3, event.owner)
                      .BindText(4, event.type)
                      .BindBlob(5, event.payload)
                      .Run());
  return database_->LastInsertRowId();
}

}  // namespace innkeeper
