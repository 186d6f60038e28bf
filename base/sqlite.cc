#include "base/sqlite.h"

#include <fcntl.h>
#include <sqlite3.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace innkeeper {
namespace {

absl::StatusCode StatusCodeOf(int code) {
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_PROTOCOL:
    case SQLITE_NOMEM:
      return absl::StatusCode::kUnavailable;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::StatusCode::kDataLoss;
    case SQLITE_CONSTRAINT:
      return code == SQLITE_CONSTRAINT_PRIMARYKEY ||
                     code == SQLITE_CONSTRAINT_UNIQUE ||
                     code == SQLITE_CONSTRAINT_ROWID
                 ? absl::StatusCode::kAlreadyExists
                 : absl::StatusCode::kInternal;
    default:
      return absl::StatusCode::kInternal;
  }
}

absl::string_view ReasonOf(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kUnavailable:
      return reason::kStoreUnavailable;
    case absl::StatusCode::kAlreadyExists:
      return reason::kStoreConflict;
    case absl::StatusCode::kUnknown:
      return reason::kStoreOutcomeUnknown;
    default:
      return reason::kInternal;
  }
}

// What somebody can do about it, to be put after a message.
absl::string_view WayOutOf(int code) {
  switch (code & 0xff) {
    case SQLITE_FULL:
      return "; the disk is full: free some space and try again";
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
      return "; another process has the database open: end it and try again";
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return "; check the disk and the owner of the directory, and try again";
    case SQLITE_NOMEM:
      return "; free some memory and try again";
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return "; if a restart does not mend it, put a good copy in its place";
    default:
      return "";
  }
}

absl::Status MakeError(absl::StatusCode status_code, int code,
                       absl::string_view message) {
  return Error(status_code, ReasonOf(status_code),
               absl::StrCat(message, WayOutOf(code)))
      .With("sqlite_code", absl::StrCat(code));
}

// What `database` says went wrong, `code` being its extended result code.
absl::Status SqliteError(sqlite3* database, int code,
                         absl::string_view context) {
  return MakeError(StatusCodeOf(code), code,
                   absl::StrCat(context, ": ", sqlite3_errmsg(database)));
}

// Makes the file for no eyes but the owner's. SQLite gives its side files the
// mode of the database. Only a file that was not there is opened: closing a
// descriptor of one that is open already would drop SQLite's locks on it.
absl::Status CreatePrivateFile(const std::string& path) {
  const UniqueFd fd(
      open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (fd.valid() || errno == EEXIST) return absl::OkStatus();
  const int error = errno;
  return Error(absl::StatusCode::kUnavailable, reason::kStoreUnavailable,
               ErrnoError(error,
                          absl::StrCat("cannot create database '", path, "'"))
                   .message())
      .With("path", path);
}

}  // namespace

void SqliteStatement::Finalize::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}

SqliteStatement& SqliteStatement::Note(int code) {
  if (bind_code_ == SQLITE_OK) bind_code_ = code;
  return *this;
}

SqliteStatement& SqliteStatement::BindInt64(int index, int64_t value) {
  return Note(sqlite3_bind_int64(statement_.get(), index, value));
}

SqliteStatement& SqliteStatement::BindText(int index, absl::string_view value) {
  return Note(sqlite3_bind_text64(statement_.get(), index,
                                  value.empty() ? "" : value.data(),
                                  value.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
}

SqliteStatement& SqliteStatement::BindBlob(int index, absl::string_view value) {
  // A null pointer would bind NULL, which is not an empty blob.
  return Note(sqlite3_bind_blob64(statement_.get(), index,
                                  value.empty() ? "" : value.data(),
                                  value.size(), SQLITE_TRANSIENT));
}

SqliteStatement& SqliteStatement::BindTime(int index, absl::Time value) {
  return BindInt64(index, absl::ToUnixMicros(value));
}

SqliteStatement& SqliteStatement::BindNull(int index) {
  return Note(sqlite3_bind_null(statement_.get(), index));
}

absl::StatusOr<bool> SqliteStatement::Step() {
  sqlite3* database = sqlite3_db_handle(statement_.get());
  if (bind_code_ != SQLITE_OK) {
    absl::Status error =
        MakeError(StatusCodeOf(bind_code_), bind_code_,
                  absl::StrCat("cannot bind a parameter of '",
                               sqlite3_sql(statement_.get()),
                               "': ", sqlite3_errstr(bind_code_)));
    Reset();
    return error;
  }
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) {
    Reset();
    return false;
  }
  absl::Status error =
      SqliteError(database, sqlite3_extended_errcode(database),
                  absl::StrCat("'", sqlite3_sql(statement_.get()), "' failed"));
  Reset();
  return error;
}

absl::Status SqliteStatement::Run() {
  while (true) {
    ASSIGN_OR_RETURN(const bool row, Step());
    if (!row) return absl::OkStatus();
  }
}

void SqliteStatement::Reset() {
  // Both repeat the outcome of the last step, which has been reported.
  sqlite3_reset(statement_.get());
  sqlite3_clear_bindings(statement_.get());
  bind_code_ = SQLITE_OK;
}

int64_t SqliteStatement::Int64(int index) const {
  return sqlite3_column_int64(statement_.get(), index);
}

absl::string_view SqliteStatement::Text(int index) const {
  const auto* text = reinterpret_cast<const char*>(
      sqlite3_column_text(statement_.get(), index));
  return {text == nullptr ? "" : text,
          static_cast<size_t>(sqlite3_column_bytes(statement_.get(), index))};
}

absl::string_view SqliteStatement::Blob(int index) const {
  const auto* bytes =
      static_cast<const char*>(sqlite3_column_blob(statement_.get(), index));
  return {bytes == nullptr ? "" : bytes,
          static_cast<size_t>(sqlite3_column_bytes(statement_.get(), index))};
}

bool SqliteStatement::IsNull(int index) const {
  return sqlite3_column_type(statement_.get(), index) == SQLITE_NULL;
}

absl::Time SqliteStatement::Time(int index) const {
  return absl::FromUnixMicros(Int64(index));
}

void SqliteDatabase::Close::operator()(sqlite3* database) const {
  // Waits for no statement: a late one closes the database with itself.
  sqlite3_close_v2(database);
}

absl::StatusOr<std::unique_ptr<SqliteDatabase>> SqliteDatabase::Open(
    const std::string& path, const Options& options) {
  int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  if (options.read_only) {
    flags |= SQLITE_OPEN_READONLY;
  } else {
    flags |= SQLITE_OPEN_READWRITE;
    RETURN_IF_ERROR(CreatePrivateFile(path));
  }
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &handle, flags, nullptr);
  // SQLite gives a handle to be closed even when it could not open the file.
  std::unique_ptr<SqliteDatabase> database(new SqliteDatabase(handle));
  const std::string context = absl::StrCat("cannot open database '", path, "'");
  if (code != SQLITE_OK) return SqliteError(handle, code, context);

  sqlite3_busy_timeout(
      handle, static_cast<int>(ToInt64Milliseconds(options.busy_timeout)));
  // A damaged file must not run code or lie about types.
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  if (!options.read_only) {
    RETURN_IF_ERROR(
        Annotate(database->Execute("PRAGMA journal_mode = WAL"), context));
  }
  RETURN_IF_ERROR(Annotate(database->Execute("PRAGMA synchronous = FULL;"
                                             "PRAGMA foreign_keys = ON;"
                                             "PRAGMA cell_size_check = ON;"
                                             "PRAGMA mmap_size = 0;"
                                             "PRAGMA trusted_schema = OFF"),
                           context));
  return database;
}

absl::StatusOr<SqliteStatement> SqliteDatabase::Prepare(absl::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(
      database_.get(), sql.data(), static_cast<int>(sql.size()),
      SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (code != SQLITE_OK) {
    return SqliteError(database_.get(), code,
                       absl::StrCat("cannot prepare '", sql, "'"));
  }
  return SqliteStatement(statement);
}

absl::Status SqliteDatabase::Execute(const std::string& script) {
  const int code =
      sqlite3_exec(database_.get(), script.c_str(), nullptr, nullptr, nullptr);
  if (code == SQLITE_OK) return absl::OkStatus();
  return SqliteError(database_.get(), code,
                     absl::StrCat("'", script, "' failed"));
}

absl::StatusOr<int64_t> SqliteDatabase::UserVersion() {
  ASSIGN_OR_RETURN(SqliteStatement read, Prepare("PRAGMA user_version"));
  ASSIGN_OR_RETURN(const bool row, read.Step());
  return row ? read.Int64(0) : 0;
}

absl::Status SqliteDatabase::SetUserVersion(int64_t version) {
  return Execute(absl::StrCat("PRAGMA user_version = ", version));
}

absl::Status SqliteDatabase::CheckIntegrity(Check check) {
  ASSIGN_OR_RETURN(
      SqliteStatement read,
      Prepare(check == Check::kQuick ? "PRAGMA quick_check(1)"
                                     : "PRAGMA integrity_check(1)"));
  ASSIGN_OR_RETURN(const bool row, read.Step());
  if (row && read.Text(0) == "ok") return absl::OkStatus();
  return SqliteDamage(absl::StrCat("database '",
                                   sqlite3_db_filename(database_.get(), "main"),
                                   "' is damaged: ", row ? read.Text(0) : ""));
}

int64_t SqliteDatabase::Changes() const {
  return sqlite3_changes64(database_.get());
}

int64_t SqliteDatabase::LastInsertRowId() const {
  return sqlite3_last_insert_rowid(database_.get());
}

bool SqliteDatabase::InTransaction() const {
  return sqlite3_get_autocommit(database_.get()) == 0;
}

absl::StatusOr<SqliteTransaction> SqliteTransaction::BeginWrite(
    SqliteDatabase* database) {
  RETURN_IF_ERROR(database->Execute("BEGIN IMMEDIATE"));
  return SqliteTransaction(database);
}

absl::StatusOr<SqliteTransaction> SqliteTransaction::BeginRead(
    SqliteDatabase* database) {
  RETURN_IF_ERROR(database->Execute("BEGIN DEFERRED"));
  return SqliteTransaction(database);
}

SqliteTransaction::SqliteTransaction(SqliteTransaction&& other) noexcept
    : database_(std::exchange(other.database_, nullptr)) {}

SqliteTransaction::~SqliteTransaction() {
  // Some errors have rolled it back already.
  if (database_ != nullptr && database_->InTransaction()) {
    database_->Execute("ROLLBACK").IgnoreError();
  }
}

absl::Status SqliteTransaction::Commit() {
  sqlite3* handle = database_->database_.get();
  const int code = sqlite3_exec(handle, "COMMIT", nullptr, nullptr, nullptr);
  if (code == SQLITE_OK) {
    database_ = nullptr;
    return absl::OkStatus();
  }
  // The commit mark may have reached the log although its sync failed.
  if ((code & 0xff) == SQLITE_IOERR) {
    return MakeError(absl::StatusCode::kUnknown, code,
                     absl::StrCat("it is not known whether a change of '",
                                  sqlite3_db_filename(handle, "main"),
                                  "' was made: ", sqlite3_errmsg(handle)));
  }
  return SqliteError(handle, code, "cannot commit");
}

absl::Status SqliteDamage(absl::string_view message) {
  return MakeError(absl::StatusCode::kDataLoss, SQLITE_CORRUPT, message);
}

}  // namespace innkeeper
