#include "agent/store/store_file.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/reason.h"
#include "base/sqlite.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace innkeeper {
namespace {

// "INNK", in the header of the file.
constexpr int64_t kApplicationId = 0x494e4e4b;
constexpr int64_t kSchemaVersion = 2;

// sequence is AUTOINCREMENT so that no number comes twice, even after all
// events were collected.
constexpr char kSchema[] = R"(
CREATE TABLE meta (
  key TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE guests (
  id TEXT PRIMARY KEY,
  revision INTEGER NOT NULL,
  record BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE operations (
  name TEXT PRIMARY KEY,
  method TEXT NOT NULL,
  caller TEXT NOT NULL,
  guest TEXT NOT NULL,
  owner TEXT NOT NULL,
  metadata BLOB NOT NULL,
  result BLOB NOT NULL,
  error BLOB NOT NULL,
  done INTEGER NOT NULL,
  create_time INTEGER NOT NULL,
  update_time INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX operations_by_age ON operations (done, update_time);
CREATE TABLE ledger (
  caller TEXT NOT NULL,
  method TEXT NOT NULL,
  request_id TEXT NOT NULL,
  body_sha256 BLOB NOT NULL,
  operation TEXT NOT NULL,
  response BLOB NOT NULL,
  create_time INTEGER NOT NULL,
  PRIMARY KEY (caller, method, request_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX ledger_by_age ON ledger (create_time);
CREATE TABLE events (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  time INTEGER NOT NULL,
  guest TEXT NOT NULL,
  owner TEXT NOT NULL,
  type TEXT NOT NULL,
  payload BLOB NOT NULL
) STRICT;
)";

// Since version 2.
constexpr char kContextSchema[] = R"(
CREATE TABLE contexts (
  id TEXT PRIMARY KEY,
  record BLOB NOT NULL
) STRICT, WITHOUT ROWID;
)";

constexpr int kTables = 8;  // Indexes included.

absl::Status Refused(absl::string_view path, absl::string_view why) {
  return Error(absl::StatusCode::kFailedPrecondition, reason::kStoreUnavailable,
               absl::StrCat("the agent's store ", path, " ", why))
      .With("path", path);
}

absl::StatusOr<UniqueFd> Lock(const std::string& path) {
  const std::string lock_path = absl::StrCat(path, "-lock");
  UniqueFd lock(
      open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock.valid()) return ErrnoError(errno, absl::StrCat("open ", lock_path));
  if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    return Refused(path, "is in use by another process: end that one first");
  }
  return lock;
}

// Makes the file if it is missing. Before SQLite opens it: closing a descriptor
// of our own later would drop SQLite's locks.
absl::Status CheckWritable(const std::string& path) {
  const UniqueFd file(
      open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (file.valid()) return absl::OkStatus();
  return ErrnoError(errno, absl::StrCat("open ", path));
}

absl::StatusOr<int64_t> ReadNumber(SqliteDatabase& database,
                                   absl::string_view sql) {
  ASSIGN_OR_RETURN(SqliteStatement statement, database.Prepare(sql));
  ASSIGN_OR_RETURN(const bool found, statement.Step());
  return found ? statement.Int64(0) : 0;
}

absl::Status MakeTables(SqliteDatabase& database, const Clock& clock) {
  ASSIGN_OR_RETURN(SqliteTransaction change,
                   SqliteTransaction::BeginWrite(&database));
  RETURN_IF_ERROR(database.Execute(kContextSchema));
  RETURN_IF_ERROR(database.Execute(kSchema));
  ASSIGN_OR_RETURN(
      SqliteStatement meta,
      database.Prepare("INSERT INTO meta (key, value) VALUES ('epoch', ?)"));
  const int64_t now = absl::ToUnixMicros(clock.Now());
  RETURN_IF_ERROR(meta.BindInt64(1, std::max<int64_t>(now, 1)).Run());
  RETURN_IF_ERROR(database.Execute(
      absl::StrCat("PRAGMA application_id = ", kApplicationId)));
  RETURN_IF_ERROR(database.SetUserVersion(kSchemaVersion));
  return change.Commit();
}

// Makes of a database of version 1 one of this version, or leaves it as it is.
absl::Status Migrate(SqliteDatabase& database) {
  ASSIGN_OR_RETURN(SqliteTransaction change,
                   SqliteTransaction::BeginWrite(&database));
  RETURN_IF_ERROR(database.Execute(kContextSchema));
  RETURN_IF_ERROR(database.SetUserVersion(kSchemaVersion));
  return change.Commit();
}

// SQLite keeps the words of each CREATE, and checks none of them.
absl::Status CheckTables(SqliteDatabase& database) {
  ASSIGN_OR_RETURN(
      SqliteStatement rows,
      database.Prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL "
                       "AND name <> 'sqlite_sequence'"));
  int tables = 0;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, rows.Step());
    if (!found) break;
    if (!absl::StrContains(kSchema, rows.Text(0)) &&
        !absl::StrContains(kContextSchema, rows.Text(0))) {
      return SqliteDamage("a table is not what was made");
    }
    ++tables;
  }
  if (tables == kTables) return absl::OkStatus();
  return SqliteDamage("a table is missing");
}

absl::StatusOr<StoreFile> OpenChecked(const std::string& path,
                                      const Clock& clock) {
  StoreFile file;
  ASSIGN_OR_RETURN(file.database, SqliteDatabase::Open(path));
  SqliteDatabase& database = *file.database;
  RETURN_IF_ERROR(database.CheckIntegrity(SqliteDatabase::Check::kQuick));
  ASSIGN_OR_RETURN(const int64_t tables,
                   ReadNumber(database, "SELECT count(*) FROM sqlite_schema"));
  if (tables == 0) {
    RETURN_IF_ERROR(MakeTables(database, clock));
    file.fresh = true;
  }
  ASSIGN_OR_RETURN(const int64_t application,
                   ReadNumber(database, "PRAGMA application_id"));
  if (application != kApplicationId) {
    return Refused(path, "is a database of another program: move it away");
  }
  ASSIGN_OR_RETURN(int64_t version, database.UserVersion());
  if (version == 1) {
    RETURN_IF_ERROR(Migrate(database));
    version = kSchemaVersion;
  }
  if (version != kSchemaVersion) {
    return Refused(
        path, absl::StrCat("has version ", version, ", and this agent knows ",
                           kSchemaVersion, ": run the agent that wrote it"));
  }
  RETURN_IF_ERROR(CheckTables(database));
  ASSIGN_OR_RETURN(
      file.epoch,
      ReadNumber(database, "SELECT value FROM meta WHERE key = 'epoch'"));
  if (file.epoch <= 0) return SqliteDamage("it has no epoch");
  return file;
}

// Whether `status` blames the file's content and not the machine.
bool IsDamage(const absl::Status& status) {
  const ErrorDetails details = DetailsOf(status);
  const auto code = details.metadata.find("sqlite_code");
  int number = 0;
  if (code == details.metadata.end() ||
      !absl::SimpleAtoi(code->second, &number)) {
    return false;
  }
  switch (number & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_FULL:
    case SQLITE_NOMEM:
    case SQLITE_CANTOPEN:
      return false;
    case SQLITE_IOERR:
      return number == SQLITE_IOERR_SHORT_READ;
    default:
      // READONLY as well: the file is known to be writable, so its header lies.
      return true;
  }
}

absl::StatusOr<std::string> MoveAside(const std::string& path) {
  std::string copy = absl::StrCat(path, ".damaged");
  if (rename(path.c_str(), copy.c_str()) != 0) {
    return ErrnoError(errno, absl::StrCat("rename ", path, " to ", copy));
  }
  // The log belongs to the damaged file: with a new one it would be poison.
  const std::string log = absl::StrCat(path, "-wal");
  if (rename(log.c_str(), absl::StrCat(copy, "-wal").c_str()) != 0 &&
      errno != ENOENT) {
    return ErrnoError(errno, absl::StrCat("rename ", log));
  }
  unlink(absl::StrCat(path, "-shm").c_str());
  return copy;
}

}  // namespace

absl::StatusOr<StoreFile> OpenStoreFile(const std::string& path,
                                        const Clock& clock) {
  ASSIGN_OR_RETURN(UniqueFd lock, Lock(path));
  RETURN_IF_ERROR(CheckWritable(path));
  absl::StatusOr<StoreFile> file = OpenChecked(path, clock);
  if (!file.ok() && IsDamage(file.status())) {
    ASSIGN_OR_RETURN(std::string copy, MoveAside(path));
    LogError("store.damaged", {{"path", path},
                               {"moved_to", copy},
                               {"error", file.status().message()}});
    RETURN_IF_ERROR(CheckWritable(path));
    file = OpenChecked(path, clock);
    if (file.ok()) file->damaged_copy = std::move(copy);
  }
  if (file.ok()) file->lock = std::move(lock);
  return file;
}

}  // namespace innkeeper
