// SQLite, owned: a database, its statements and its transactions, with every
// failure a Status.
//
// Statuses. UNAVAILABLE (STORE_UNAVAILABLE), with the way out: the file cannot
// be opened, read or written, the disk is full, or another process holds the
// lock for longer than the busy timeout. ALREADY_EXISTS (STORE_CONFLICT): a
// uniqueness constraint. DATA_LOSS (INTERNAL): the file is damaged or is no
// database. INTERNAL (INTERNAL): a fault of ours, such as bad SQL. The metadata
// "sqlite_code" is SQLite's extended result code.
//
// None of the classes is thread-safe: a database with its statements and
// transactions belongs to one thread at a time. All calls block on the disk.
#ifndef INNKEEPER_BASE_SQLITE_H_
#define INNKEEPER_BASE_SQLITE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

struct sqlite3;
struct sqlite3_stmt;

namespace innkeeper {

// A prepared statement, reusable. Must not outlive its database.
class SqliteStatement {
 public:
  SqliteStatement() = default;  // Only to be assigned to.
  SqliteStatement(SqliteStatement&&) = default;
  SqliteStatement& operator=(SqliteStatement&&) = default;

  // Give parameter `index` (from 1) a value, which is copied. To be called
  // before the first Step, or after Reset. A failure is reported by Step.
  SqliteStatement& BindInt64(int index, int64_t value);
  SqliteStatement& BindText(int index, absl::string_view value);
  SqliteStatement& BindBlob(int index, absl::string_view value);
  SqliteStatement& BindNull(int index);
  // As microseconds since 1970; see Time.
  SqliteStatement& BindTime(int index, absl::Time value);

  // Goes to the next row: true if there is one. After false or an error the
  // statement is reset.
  absl::StatusOr<bool> Step();
  // Steps to the end, whatever rows there are.
  absl::Status Run();
  // Ends a read before its last row and forgets the values of parameters.
  void Reset();

  // Column `index` (from 0) of the present row. Text and blobs are views that
  // hold until the next Step or Reset.
  int64_t Int64(int index) const;
  absl::string_view Text(int index) const;
  absl::string_view Blob(int index) const;
  bool IsNull(int index) const;
  absl::Time Time(int index) const;

 private:
  friend class SqliteDatabase;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };

  explicit SqliteStatement(sqlite3_stmt* statement) : statement_(statement) {}
  SqliteStatement& Note(int code);

  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  // Of the first Bind that failed; SQLITE_OK is 0.
  int bind_code_ = 0;
};

// An open database file.
class SqliteDatabase {
 public:
  struct Options {
    bool read_only = false;
    // How long a call waits for another connection's lock.
    absl::Duration busy_timeout = absl::Seconds(5);
  };

  // Opens `path`, made with mode 0600 if absent (unless read_only), in WAL
  // mode with synchronous=FULL: what is committed survives power loss. Foreign
  // keys are enforced; the schema is not trusted.
  static absl::StatusOr<std::unique_ptr<SqliteDatabase>> Open(
      const std::string& path, const Options& options);
  static absl::StatusOr<std::unique_ptr<SqliteDatabase>> Open(
      const std::string& path) {
    return Open(path, Options());
  }

  SqliteDatabase(const SqliteDatabase&) = delete;
  SqliteDatabase& operator=(const SqliteDatabase&) = delete;

  absl::StatusOr<SqliteStatement> Prepare(absl::string_view sql);
  // Runs every statement of `script`; rows are dropped.
  absl::Status Execute(const std::string& script);

  // The number that the owner of the schema keeps in the file; 0 at first.
  absl::StatusOr<int64_t> UserVersion();
  absl::Status SetUserVersion(int64_t version);

  // Reads the whole file; DATA_LOSS says what is damaged. kQuick does not look
  // whether indexes agree with their tables.
  enum class Check { kQuick, kFull };
  absl::Status CheckIntegrity(Check check = Check::kFull);

  // Rows changed by the statement run last.
  int64_t Changes() const;
  // The row id that an INSERT made last.
  int64_t LastInsertRowId() const;
  // Whether a transaction is open: some errors end it.
  bool InTransaction() const;

 private:
  friend class SqliteTransaction;
  struct Close {
    void operator()(sqlite3* database) const;
  };

  explicit SqliteDatabase(sqlite3* database) : database_(database) {}

  std::unique_ptr<sqlite3, Close> database_;
};

// All or nothing: rolled back when destroyed, unless committed. Must not
// outlive its database; one at a time.
class SqliteTransaction {
 public:
  // Takes the write lock now.
  static absl::StatusOr<SqliteTransaction> BeginWrite(SqliteDatabase* database);
  // A read view of one moment.
  static absl::StatusOr<SqliteTransaction> BeginRead(SqliteDatabase* database);

  SqliteTransaction(SqliteTransaction&& other) noexcept;
  SqliteTransaction& operator=(SqliteTransaction&&) = delete;
  ~SqliteTransaction();

  // UNKNOWN (STORE_OUTCOME_UNKNOWN): the disk failed so late that the next to
  // open the file may find the change made or not. After every other error it
  // is not made.
  absl::Status Commit();

 private:
  explicit SqliteTransaction(SqliteDatabase* database) : database_(database) {}

  SqliteDatabase* database_;  // Null once committed or moved from.
};

// As SQLite itself would tell it: DATA_LOSS, for what a caller finds to be
// wrong with the content of a file.
absl::Status SqliteDamage(absl::string_view message);

}  // namespace innkeeper

#endif  // INNKEEPER_BASE_SQLITE_H_
