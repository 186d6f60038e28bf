#include "server/store/sqlite_store_file.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "server/store/store_errors.h"

namespace innkeeper {
namespace {

constexpr int64_t kSchemaVersion = 1;
constexpr size_t kMaxPageBatches = 256;
constexpr size_t kMaxPageBytes = 4 << 20;

// `history` has the changes that a watch may still ask for; a null value is a
// delete. first_kept is the first revision that it has whole.
constexpr char kSchema[] = R"sql(
  CREATE TABLE meta(
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  INSERT INTO meta VALUES ('revision', 0), ('first_kept', 1);
  CREATE TABLE kv(
    key BLOB PRIMARY KEY NOT NULL,
    value BLOB NOT NULL,
    mod_revision INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE history(
    revision INTEGER NOT NULL,
    key BLOB NOT NULL,
    value BLOB,
    unix_ms INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX history_by_revision ON history(revision);
)sql";

// The least key after all those that start with `prefix`.
std::string EndOf(absl::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && end.back() == '\xff') end.pop_back();
  // Longer than any key, so greater than all.
  if (end.empty()) return std::string(kMaxKeyBytes + 1, '\xff');
  end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
  return end;
}

KeyValue ReadRow(const SqliteStatement& row) {
  return {std::string(row.Blob(0)), std::string(row.Blob(1)), row.Int64(2)};
}

}  // namespace

absl::StatusOr<std::unique_ptr<SqliteStoreFile>> SqliteStoreFile::OpenWriter(
    const std::string& path) {
  ASSIGN_OR_RETURN(auto database, SqliteDatabase::Open(path));
  RETURN_IF_ERROR(database->CheckIntegrity());
  ASSIGN_OR_RETURN(const int64_t version, database->UserVersion());
  if (version > kSchemaVersion) {
    return Error(
               absl::StatusCode::kFailedPrecondition, reason::kStoreUnavailable,
               absl::StrCat("store '", path, "' has format ", version,
                            ", and this server knows formats up to ",
                            kSchemaVersion, "; run the version that wrote it"))
        .With("path", path)
        .With("format", absl::StrCat(version));
  }
  if (version == 0) {
    ASSIGN_OR_RETURN(SqliteTransaction change,
                     SqliteTransaction::BeginWrite(database.get()));
    RETURN_IF_ERROR(database->Execute(kSchema));
    RETURN_IF_ERROR(database->SetUserVersion(kSchemaVersion));
    RETURN_IF_ERROR(change.Commit());
  }
  return std::unique_ptr<SqliteStoreFile>(
      new SqliteStoreFile(std::move(database)));
}

absl::StatusOr<std::unique_ptr<SqliteStoreFile>> SqliteStoreFile::OpenReader(
    const std::string& path) {
  SqliteDatabase::Options options;
  options.read_only = true;
  ASSIGN_OR_RETURN(auto database, SqliteDatabase::Open(path, options));
  return std::unique_ptr<SqliteStoreFile>(
      new SqliteStoreFile(std::move(database)));
}

absl::StatusOr<SqliteStatement*> SqliteStoreFile::Statement(const char* sql) {
  auto statement = statements_.find(sql);
  if (statement == statements_.end()) {
    ASSIGN_OR_RETURN(SqliteStatement prepared, database_->Prepare(sql));
    statement = statements_.emplace(sql, std::move(prepared)).first;
  }
  // An error may have left the last use in the midst of its rows.
  statement->second.Reset();
  return &statement->second;
}

absl::StatusOr<int64_t> SqliteStoreFile::ReadMeta(absl::string_view name) {
  static constexpr char kSql[] = "SELECT value FROM meta WHERE name = ?";
  ASSIGN_OR_RETURN(SqliteStatement * read, Statement(kSql));
  ASSIGN_OR_RETURN(const bool row, read->BindText(1, name).Step());
  if (!row) {
    return Error(absl::StatusCode::kDataLoss, reason::kInternal,
                 absl::StrCat("the store lacks its '", name, "'"));
  }
  const int64_t value = read->Int64(0);
  read->Reset();
  return value;
}

absl::Status SqliteStoreFile::WriteMeta(absl::string_view name, int64_t value) {
  static constexpr char kSql[] = "UPDATE meta SET value = ? WHERE name = ?";
  ASSIGN_OR_RETURN(SqliteStatement * write, Statement(kSql));
  return write->BindInt64(1, value).BindText(2, name).Run();
}

absl::StatusOr<int64_t> SqliteStoreFile::Revision() {
  return ReadMeta("revision");
}

absl::StatusOr<GetResult> SqliteStoreFile::Get(absl::string_view key) {
  ASSIGN_OR_RETURN(const SqliteTransaction view,
                   SqliteTransaction::BeginRead(database_.get()));
  GetResult result;
  ASSIGN_OR_RETURN(result.revision, Revision());
  static constexpr char kSql[] =
      "SELECT key, value, mod_revision FROM kv WHERE key = ?";
  ASSIGN_OR_RETURN(SqliteStatement * read, Statement(kSql));
  ASSIGN_OR_RETURN(const bool row, read->BindBlob(1, key).Step());
  if (row) result.kv = ReadRow(*read);
  read->Reset();
  return result;
}

absl::StatusOr<ListResult> SqliteStoreFile::List(
    absl::string_view prefix, int64_t limit, absl::string_view start_after) {
  ASSIGN_OR_RETURN(const SqliteTransaction view,
                   SqliteTransaction::BeginRead(database_.get()));
  ListResult result;
  ASSIGN_OR_RETURN(result.revision, Revision());
  // With a zero byte more it is the least key after itself.
  const std::string first =
      start_after < prefix
          ? std::string(prefix)
          : absl::StrCat(start_after, absl::string_view("\0", 1));
  static constexpr char kSql[] =
      "SELECT key, value, mod_revision FROM kv"
      " WHERE key >= ? AND key < ? ORDER BY key LIMIT ?";
  ASSIGN_OR_RETURN(SqliteStatement * read, Statement(kSql));
  read->BindBlob(1, first).BindBlob(2, EndOf(prefix));
  // One more than asked for tells whether there are more.
  read->BindInt64(3, limit > 0 ? limit + 1 : -1);
  while (true) {
    ASSIGN_OR_RETURN(const bool row, read->Step());
    if (!row) break;
    if (limit > 0 && static_cast<int64_t>(result.kvs.size()) == limit) {
      result.more = true;
      break;
    }
    result.kvs.push_back(ReadRow(*read));
  }
  read->Reset();
  return result;
}

absl::StatusOr<HistoryPage> SqliteStoreFile::ReadHistory(
    int64_t from_revision) {
  ASSIGN_OR_RETURN(const SqliteTransaction view,
                   SqliteTransaction::BeginRead(database_.get()));
  ASSIGN_OR_RETURN(const int64_t first_kept, ReadMeta("first_kept"));
  if (from_revision < first_kept) {
    return CompactedError(from_revision, first_kept);
  }
  HistoryPage page;
  ASSIGN_OR_RETURN(page.last_revision, Revision());
  static constexpr char kSql[] =
      "SELECT key, value, revision FROM history"
      " WHERE revision >= ? ORDER BY revision, key";
  ASSIGN_OR_RETURN(SqliteStatement * read, Statement(kSql));
  read->BindInt64(1, from_revision);
  size_t bytes = 0;
  while (true) {
    ASSIGN_OR_RETURN(const bool row, read->Step());
    if (!row) break;
    StoreEvent event;
    if (read->IsNull(1)) event.type = StoreEvent::Type::kDelete;
    event.kv = ReadRow(*read);
    const int64_t revision = event.kv.mod_revision;
    if (page.batches.empty() || page.batches.back().revision != revision) {
      if (page.batches.size() == kMaxPageBatches || bytes > kMaxPageBytes) {
        page.last_revision = page.batches.back().revision;
        break;
      }
      page.batches.push_back({revision, {}});
    }
    bytes += event.kv.key.size() + event.kv.value.size();
    page.batches.back().events.push_back(std::move(event));
  }
  read->Reset();
  return page;
}

absl::StatusOr<SqliteTransaction> SqliteStoreFile::BeginWrite() {
  return SqliteTransaction::BeginWrite(database_.get());
}

absl::StatusOr<int64_t> SqliteStoreFile::ModRevision(absl::string_view key) {
  static constexpr char kSql[] = "SELECT mod_revision FROM kv WHERE key = ?";
  ASSIGN_OR_RETURN(SqliteStatement * read, Statement(kSql));
  ASSIGN_OR_RETURN(const bool row, read->BindBlob(1, key).Step());
  const int64_t mod_revision = row ? read->Int64(0) : 0;
  read->Reset();
  return mod_revision;
}

absl::StatusOr<TxnResult> SqliteStoreFile::Apply(const Txn& txn,
                                                 absl::Time now) {
  TxnResult result;
  ASSIGN_OR_RETURN(result.revision, Revision());
  result.committed = true;
  std::set<absl::string_view> compared;
  for (const Compare& compare : txn.compares) {
    ASSIGN_OR_RETURN(const int64_t mod_revision, ModRevision(compare.key));
    if (!Holds(compare, mod_revision)) result.committed = false;
    if (mod_revision != 0) compared.insert(compare.key);
  }
  if (result.committed) {
    ASSIGN_OR_RETURN(const bool changed, Write(txn, result.revision + 1, now));
    if (changed) {
      ++result.revision;
      RETURN_IF_ERROR(WriteMeta("revision", result.revision));
    }
    return result;
  }
  for (const absl::string_view key : compared) {
    static constexpr char kSql[] =
        "SELECT key, value, mod_revision FROM kv WHERE key = ?";
    ASSIGN_OR_RETURN(SqliteStatement * read, Statement(kSql));
    ASSIGN_OR_RETURN(const bool row, read->BindBlob(1, key).Step());
    if (row) result.current.push_back(ReadRow(*read));
    read->Reset();
  }
  return result;
}

absl::StatusOr<bool> SqliteStoreFile::Write(const Txn& txn, int64_t revision,
                                            absl::Time now) {
  bool changed = false;
  for (const Put& put : txn.puts) {
    static constexpr char kSql[] =
        "INSERT INTO kv(key, value, mod_revision) VALUES (?1, ?2, ?3)"
        " ON CONFLICT(key) DO UPDATE SET value = ?2, mod_revision = ?3";
    ASSIGN_OR_RETURN(SqliteStatement * write, Statement(kSql));
    write->BindBlob(1, put.key).BindBlob(2, put.value).BindInt64(3, revision);
    RETURN_IF_ERROR(write->Run());
    RETURN_IF_ERROR(Record(revision, put.key, &put.value, now));
    changed = true;
  }
  for (const std::string& key : txn.deletes) {
    static constexpr char kSql[] = "DELETE FROM kv WHERE key = ?";
    ASSIGN_OR_RETURN(SqliteStatement * erase, Statement(kSql));
    RETURN_IF_ERROR(erase->BindBlob(1, key).Run());
    if (database_->Changes() == 0) continue;
    RETURN_IF_ERROR(Record(revision, key, nullptr, now));
    changed = true;
  }
  return changed;
}

absl::Status SqliteStoreFile::Record(int64_t revision, absl::string_view key,
                                     const std::string* value, absl::Time now) {
  static constexpr char kSql[] = "INSERT INTO history VALUES (?, ?, ?, ?)";
  ASSIGN_OR_RETURN(SqliteStatement * write, Statement(kSql));
  write->BindInt64(1, revision).BindBlob(2, key);
  if (value == nullptr) {
    write->BindNull(3);
  } else {
    write->BindBlob(3, *value);
  }
  return write->BindInt64(4, absl::ToUnixMillis(now)).Run();
}

absl::Status SqliteStoreFile::Compact(int64_t revision) {
  ASSIGN_OR_RETURN(const int64_t present, Revision());
  if (revision > present) return FutureRevisionError(revision, present);
  return ForgetBefore(revision);
}

absl::Status SqliteStoreFile::Trim(int64_t max_revisions, absl::Time oldest) {
  ASSIGN_OR_RETURN(const int64_t present, Revision());
  static constexpr char kSql[] =
      "SELECT revision FROM history WHERE unix_ms >= ?"
      " ORDER BY revision LIMIT 1";
  ASSIGN_OR_RETURN(SqliteStatement * read, Statement(kSql));
  read->BindInt64(1, absl::ToUnixMillis(oldest));
  ASSIGN_OR_RETURN(const bool row, read->Step());
  const int64_t young = row ? read->Int64(0) : present;
  read->Reset();
  return ForgetBefore(std::max(young, present - max_revisions + 1));
}

absl::Status SqliteStoreFile::ForgetBefore(int64_t revision) {
  ASSIGN_OR_RETURN(const int64_t first_kept, ReadMeta("first_kept"));
  if (revision <= first_kept) return absl::OkStatus();
  static constexpr char kSql[] = "DELETE FROM history WHERE revision < ?";
  ASSIGN_OR_RETURN(SqliteStatement * erase, Statement(kSql));
  RETURN_IF_ERROR(erase->BindInt64(1, revision).Run());
  return WriteMeta("first_kept", revision);
}

}  // namespace innkeeper
