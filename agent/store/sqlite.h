// SQLite with owners and statuses.
#ifndef INNKEEPER_AGENT_STORE_SQLITE_H_
#define INNKEEPER_AGENT_STORE_SQLITE_H_

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace innkeeper {

// One prepared statement. Bound values are copied. Parameters count from 1,
// columns from 0. Not thread-safe.
class Statement {
 public:
  Statement() = default;

  Statement& Bind(int parameter, absl::string_view text);
  Statement& Bind(int parameter, int64_t value);
  // Microseconds since 1970.
  Statement& Bind(int parameter, absl::Time time);
  Statement& BindBytes(int parameter, absl::string_view bytes);

  // Whether there is a row to read; false at the end. A failed Bind is told
  // here.
  absl::StatusOr<bool> Step();
  // For statements that give no rows.
  absl::Status Run();
  // Makes the statement new, without its values.
  void Reset();

  // Of the row that Step() found. Text and blobs alike.
  std::string Bytes(int column) const;
  int64_t Int(int column) const;
  absl::Time Time(int column) const;

 private:
  friend class Database;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const {
      sqlite3_finalize(statement);
    }
  };
  explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}

  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  int bind_result_ = SQLITE_OK;
};

// One connection. Not thread-safe; several connections to one file may be used
// by several threads.
class Database {
 public:
  Database() = default;

  // Opens or makes the file `path` (mode 0600) in WAL mode with
  // synchronous=FULL; a lock of another connection is waited for up to 5 s.
  static absl::StatusOr<Database> Open(const std::string& path);

  // Runs `sql`, one or more statements without parameters.
  absl::Status Execute(const char* sql);
  absl::StatusOr<Statement> Prepare(absl::string_view sql);
  // Rows that the last statement changed.
  int64_t Changes() const;
  int64_t LastInsertRowId() const;
  // Whether a transaction is open: some errors end it.
  bool InTransaction() const;

 private:
  struct Close {
    void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
  };
  explicit Database(sqlite3* database) : database_(database) {}

  std::unique_ptr<sqlite3, Close> database_;
};

// What SQLite's result `code` means for a caller: DATA_LOSS if the file is
// damaged, UNAVAILABLE if the disk is full, broken or locked, else INTERNAL.
// Reason STORE_UNAVAILABLE, with the way out.
absl::Status SqliteError(int code, absl::string_view message);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_STORE_SQLITE_H_
