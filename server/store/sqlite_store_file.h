// The tables of SqliteStore, through one connection.
#ifndef INNKEEPER_SERVER_STORE_SQLITE_STORE_FILE_H_
#define INNKEEPER_SERVER_STORE_SQLITE_STORE_FILE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/sqlite.h"
#include "server/store/store.h"
#include "server/store/watch_dispatcher.h"

namespace innkeeper {

// One thread at a time; every method blocks on the disk. Besides what it says,
// each may fail as base/sqlite.h tells.
class SqliteStoreFile {
 public:
  // The connection that writes; makes the tables in a new file and reads an
  // old one through, so that damage shows now. DATA_LOSS: it is damaged.
  // FAILED_PRECONDITION (STORE_UNAVAILABLE): a newer version wrote it.
  static absl::StatusOr<std::unique_ptr<SqliteStoreFile>> OpenWriter(
      const std::string& path);
  // A further connection, to a file that a writer has opened.
  static absl::StatusOr<std::unique_ptr<SqliteStoreFile>> OpenReader(
      const std::string& path);

  // As the methods of Store.
  absl::StatusOr<GetResult> Get(absl::string_view key);
  absl::StatusOr<ListResult> List(absl::string_view prefix, int64_t limit,
                                  absl::string_view start_after);

  // A page of at most 256 revisions and, but for its last one, 4 MiB.
  absl::StatusOr<HistoryPage> ReadHistory(int64_t from_revision);

  absl::StatusOr<int64_t> Revision();

  // The writer only: several changes that become durable together, or not at
  // all if one fails or Commit is not reached.
  //
  //   ASSIGN_OR_RETURN(SqliteTransaction change, file->BeginWrite());
  //   ... Apply, Compact, Trim ...
  //   RETURN_IF_ERROR(change.Commit());
  absl::StatusOr<SqliteTransaction> BeginWrite();
  // As Store::Commit, of a valid Txn, at time `now`.
  absl::StatusOr<TxnResult> Apply(const Txn& txn, absl::Time now);
  // As Store::Compact.
  absl::Status Compact(int64_t revision);
  // Compacts to the last `max_revisions` and to changes since `oldest`.
  absl::Status Trim(int64_t max_revisions, absl::Time oldest);

 private:
  explicit SqliteStoreFile(std::unique_ptr<SqliteDatabase> database)
      : database_(std::move(database)) {}

  // The prepared statement of `sql`, a constant; made at its first use.
  absl::StatusOr<SqliteStatement*> Statement(const char* sql);
  absl::StatusOr<int64_t> ReadMeta(absl::string_view name);
  absl::Status WriteMeta(absl::string_view name, int64_t value);
  absl::StatusOr<int64_t> ModRevision(absl::string_view key);
  // `value` null: a delete.
  absl::Status Record(int64_t revision, absl::string_view key,
                      const std::string* value, absl::Time now);
  // What changed; `revision` is the change's.
  absl::StatusOr<bool> Write(const Txn& txn, int64_t revision, absl::Time now);
  absl::Status ForgetBefore(int64_t revision);

  const std::unique_ptr<SqliteDatabase> database_;
  std::map<const char*, SqliteStatement> statements_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_SERVER_STORE_SQLITE_STORE_FILE_H_
