// Writes changes to the store's tables.
#ifndef INNKEEPER_AGENT_STORE_CHANGE_WRITER_H_
#define INNKEEPER_AGENT_STORE_CHANGE_WRITER_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/store/store_types.h"
#include "base/sqlite.h"

namespace innkeeper {

// Holds the prepared statements. Not thread-safe. The database must outlive
// it.
class ChangeWriter {
 public:
  ChangeWriter() = default;  // Only to be assigned to.

  // An entry of the ledger older than `ledger_life` counts as absent.
  static absl::StatusOr<ChangeWriter> Create(SqliteDatabase& database,
                                             absl::Duration ledger_life);

  // Does all of `change`, or nothing, inside the transaction that the caller
  // has begun. Errors as AgentStore::Commit. An error of SQLite's may have
  // ended the transaction: see SqliteDatabase::InTransaction.
  absl::StatusOr<CommitResult> Apply(const Change& change, absl::Time now);

 private:
  absl::StatusOr<CommitResult> ApplyParts(const Change& change, absl::Time now);
  // The entry that stands in the way of `entry`, if any.
  absl::StatusOr<std::optional<LedgerEntry>> TakeRequest(
      const LedgerEntry& entry, absl::Time now);
  absl::Status AnswerRequest(const LedgerEntry& entry);
  absl::Status PutGuest(const GuestRecord& record);
  absl::Status DeleteGuest(const std::string& id);
  absl::Status PutContext(const ContextRecord& context);
  absl::Status PutOperation(const OperationRecord& operation);
  absl::StatusOr<int64_t> AppendEvent(const EventRecord& event);

  SqliteDatabase* database_ = nullptr;
  absl::Duration ledger_life_;
  SqliteStatement begin_, release_, undo_;
  SqliteStatement find_guest_, put_guest_, delete_guest_;
  SqliteStatement put_context_, delete_context_;
  SqliteStatement put_operation_;
  SqliteStatement find_request_, put_request_, answer_request_;
  SqliteStatement append_event_;
};

// Reads a row that `SELECT kLedgerColumns` gave.
inline constexpr char kLedgerColumns[] =
    "caller, method, request_id, body_sha256, operation, response, create_time";
LedgerEntry ReadLedgerRow(const SqliteStatement& row);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_STORE_CHANGE_WRITER_H_
