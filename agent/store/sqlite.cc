#include "agent/store/sqlite.h"

#include <sqlite3.h>

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/status_macros.h"

namespace innkeeper {
namespace {

constexpr int kBusyTimeoutMillis = 5000;

absl::Status ErrorOf(sqlite3* database, absl::string_view what) {
  return SqliteError(sqlite3_extended_errcode(database),
                     absl::StrCat(what, ": ", sqlite3_errmsg(database)));
}

}  // namespace

absl::Status SqliteError(int code, absl::string_view message) {
  absl::StatusCode status = absl::StatusCode::kInternal;
  absl::string_view way_out = "report this fault";
  switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      status = absl::StatusCode::kDataLoss;
      way_out =
          "restart the agent: it moves the damaged database aside and "
          "rebuilds it from the guests' manifests";
      break;
    case SQLITE_FULL:
      status = absl::StatusCode::kUnavailable;
      way_out = "the disk is full: free some space and try again";
      break;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
      status = absl::StatusCode::kUnavailable;
      way_out =
          "check the disk and the owner of the agent's state directory, and "
          "try again";
      break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      status = absl::StatusCode::kUnavailable;
      way_out = "another process has the database open: end it and try again";
      break;
    case SQLITE_NOMEM:
      status = absl::StatusCode::kUnavailable;
      way_out = "free some memory and try again";
      break;
    default:
      break;
  }
  return Error(status, reason::kStoreUnavailable,
               absl::StrCat("the agent's store: ", message, "; ", way_out))
      .With("sqlite_code", absl::StrCat(code));
}

Statement& Statement::Bind(int parameter, absl::string_view text) {
  if (bind_result_ == SQLITE_OK) {
    // A null pointer would bind NULL, which STRICT NOT NULL columns refuse.
    bind_result_ = sqlite3_bind_text(
        statement_.get(), parameter, text.data() == nullptr ? "" : text.data(),
        static_cast<int>(text.size()), SQLITE_TRANSIENT);
  }
  return *this;
}

Statement& Statement::Bind(int parameter, int64_t value) {
  if (bind_result_ == SQLITE_OK) {
    bind_result_ = sqlite3_bind_int64(statement_.get(), parameter, value);
  }
  return *this;
}

Statement& Statement::Bind(int parameter, absl::Time time) {
  return Bind(parameter, absl::ToUnixMicros(time));
}

Statement& Statement::BindBytes(int parameter, absl::string_view bytes) {
  if (bind_result_ == SQLITE_OK) {
    bind_result_ =
        sqlite3_bind_blob64(statement_.get(), parameter,
                            bytes.data() == nullptr ? "" : bytes.data(),
                            bytes.size(), SQLITE_TRANSIENT);
  }
  return *this;
}

absl::StatusOr<bool> Statement::Step() {
  if (bind_result_ != SQLITE_OK) {
    return SqliteError(bind_result_, sqlite3_errstr(bind_result_));
  }
  const int result = sqlite3_step(statement_.get());
  if (result == SQLITE_ROW) return true;
  if (result == SQLITE_DONE) return false;
  return ErrorOf(sqlite3_db_handle(statement_.get()),
                 sqlite3_sql(statement_.get()));
}

absl::Status Statement::Run() {
  const absl::Status status = Step().status();
  Reset();
  return status;
}

void Statement::Reset() {
  sqlite3_reset(statement_.get());
  sqlite3_clear_bindings(statement_.get());
  bind_result_ = SQLITE_OK;
}

std::string Statement::Bytes(int column) const {
  const void* const bytes = sqlite3_column_blob(statement_.get(), column);
  if (bytes == nullptr) return "";
  return std::string(
      static_cast<const char*>(bytes),
      static_cast<size_t>(sqlite3_column_bytes(statement_.get(), column)));
}

int64_t Statement::Int(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

absl::Time Statement::Time(int column) const {
  return absl::FromUnixMicros(Int(column));
}

absl::StatusOr<Database> Database::Open(const std::string& path) {
  sqlite3* handle = nullptr;
  const int result = sqlite3_open_v2(
      path.c_str(), &handle,
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
      nullptr);
  Database database(handle);
  if (result != SQLITE_OK) {
    return SqliteError(
        result, absl::StrCat("open ", path, ": ", sqlite3_errstr(result)));
  }
  sqlite3_extended_result_codes(handle, 1);
  sqlite3_busy_timeout(handle, kBusyTimeoutMillis);
  // A damaged file must not run code or lie about types.
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  RETURN_IF_ERROR(
      database.Execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; "
                       "PRAGMA cell_size_check=ON; PRAGMA mmap_size=0;"));
  return database;
}

absl::Status Database::Execute(const char* sql) {
  const int result =
      sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr);
  if (result == SQLITE_OK) return absl::OkStatus();
  return ErrorOf(database_.get(), sql);
}

absl::StatusOr<Statement> Database::Prepare(absl::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const int result = sqlite3_prepare_v3(
      database_.get(), sql.data(), static_cast<int>(sql.size()),
      SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (result != SQLITE_OK) return ErrorOf(database_.get(), sql);
  return Statement(statement);
}

int64_t Database::Changes() const { return sqlite3_changes64(database_.get()); }

int64_t Database::LastInsertRowId() const {
  return sqlite3_last_insert_rowid(database_.get());
}

bool Database::InTransaction() const {
  return sqlite3_get_autocommit(database_.get()) == 0;
}

}  // namespace innkeeper
