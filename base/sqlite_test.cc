#include "base/sqlite.h"

#include <sys/stat.h>

#include <cstdio>
#include <fstream>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "base/uuid.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using ::testing::HasSubstr;

class SqliteTest : public testing::Test {
 protected:
  SqliteTest() : path_(absl::StrCat(testing::TempDir(), MakeUuid(), ".db")) {}
  ~SqliteTest() override {
    for (const char* suffix : {"", "-wal", "-shm"}) {
      std::remove(absl::StrCat(path_, suffix).c_str());
    }
  }

  std::unique_ptr<SqliteDatabase> OpenWithTable() {
    auto database = SqliteDatabase::Open(path_);
    EXPECT_THAT(database, IsOk());
    EXPECT_THAT((*database)->Execute(
                    "CREATE TABLE t(k INTEGER PRIMARY KEY, v BLOB) STRICT"),
                IsOk());
    return *std::move(database);
  }

  int64_t CountRows(SqliteDatabase& database) {
    auto count = database.Prepare("SELECT count(*) FROM t");
    EXPECT_THAT(count, IsOk());
    EXPECT_THAT(count->Step(), IsOkAndHolds(true));
    return count->Int64(0);
  }

  const std::string path_;
};

TEST_F(SqliteTest, FileIsReadableByItsOwnerOnly) {
  const auto database = OpenWithTable();

  struct stat file;
  ASSERT_EQ(stat(path_.c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0777, 0600);
  ASSERT_EQ(stat(absl::StrCat(path_, "-wal").c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0777, 0600);
}

TEST_F(SqliteTest, CommitsAreDurableAndSynchronous) {
  const auto database = OpenWithTable();

  auto mode = database->Prepare("PRAGMA journal_mode");
  ASSERT_THAT(mode, IsOk());
  ASSERT_THAT(mode->Step(), IsOkAndHolds(true));
  EXPECT_EQ(mode->Text(0), "wal");
  auto synchronous = database->Prepare("PRAGMA synchronous");
  ASSERT_THAT(synchronous, IsOk());
  ASSERT_THAT(synchronous->Step(), IsOkAndHolds(true));
  EXPECT_EQ(synchronous->Int64(0), 2);  // FULL.
}

TEST_F(SqliteTest, ValuesComeBackAsTheyWereBound) {
  const auto database = OpenWithTable();
  const std::string bytes("a\0b\xff", 4);

  auto insert = database->Prepare("INSERT INTO t VALUES (?, ?)");
  ASSERT_THAT(insert, IsOk());
  ASSERT_THAT(insert->BindInt64(1, 1).BindBlob(2, bytes).Run(), IsOk());
  ASSERT_THAT(insert->BindInt64(1, 2).BindBlob(2, "").Run(), IsOk());
  ASSERT_THAT(insert->BindInt64(1, 3).BindNull(2).Run(), IsOk());

  auto read = database->Prepare("SELECT k, v FROM t ORDER BY k");
  ASSERT_THAT(read, IsOk());
  ASSERT_THAT(read->Step(), IsOkAndHolds(true));
  EXPECT_EQ(read->Blob(1), bytes);
  ASSERT_THAT(read->Step(), IsOkAndHolds(true));
  EXPECT_FALSE(read->IsNull(1));
  EXPECT_EQ(read->Blob(1), "");
  ASSERT_THAT(read->Step(), IsOkAndHolds(true));
  EXPECT_TRUE(read->IsNull(1));
  EXPECT_THAT(read->Step(), IsOkAndHolds(false));
}

TEST_F(SqliteTest, TransactionWithoutCommitLeavesNothing) {
  const auto database = OpenWithTable();
  {
    auto transaction = SqliteTransaction::BeginWrite(database.get());
    ASSERT_THAT(transaction, IsOk());
    ASSERT_THAT(database->Execute("INSERT INTO t VALUES (1, NULL)"), IsOk());
  }
  EXPECT_EQ(CountRows(*database), 0);
}

TEST_F(SqliteTest, CommittedTransactionIsSeenByAnotherConnection) {
  const auto database = OpenWithTable();
  auto transaction = SqliteTransaction::BeginWrite(database.get());
  ASSERT_THAT(transaction, IsOk());
  ASSERT_THAT(database->Execute("INSERT INTO t VALUES (1, NULL)"), IsOk());
  ASSERT_THAT(transaction->Commit(), IsOk());

  auto reader = SqliteDatabase::Open(path_, {/*read_only=*/true});
  ASSERT_THAT(reader, IsOk());
  EXPECT_EQ(CountRows(**reader), 1);
}

TEST_F(SqliteTest, ReadTransactionSeesOneMoment) {
  const auto writer = OpenWithTable();
  auto reader = SqliteDatabase::Open(path_);
  ASSERT_THAT(reader, IsOk());
  auto view = SqliteTransaction::BeginRead(reader->get());
  ASSERT_THAT(view, IsOk());
  ASSERT_EQ(CountRows(**reader), 0);

  ASSERT_THAT(writer->Execute("INSERT INTO t VALUES (1, NULL)"), IsOk());

  EXPECT_EQ(CountRows(**reader), 0);
}

TEST_F(SqliteTest, ReadOnlyConnectionCannotWrite) {
  const auto database = OpenWithTable();
  auto reader = SqliteDatabase::Open(path_, {/*read_only=*/true});
  ASSERT_THAT(reader, IsOk());

  EXPECT_THAT((*reader)->Execute("INSERT INTO t VALUES (1, NULL)"),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("readonly")));
}

TEST_F(SqliteTest, SecondWriterIsToldThatTheDatabaseIsBusy) {
  const auto first = OpenWithTable();
  SqliteDatabase::Options impatient;
  impatient.busy_timeout = absl::ZeroDuration();
  auto second = SqliteDatabase::Open(path_, impatient);
  ASSERT_THAT(second, IsOk());
  auto held = SqliteTransaction::BeginWrite(first.get());
  ASSERT_THAT(held, IsOk());

  const auto refused = SqliteTransaction::BeginWrite(second->get());

  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(refused, HasReason(reason::kStoreUnavailable));
}

TEST_F(SqliteTest, RepeatedPrimaryKeyAlreadyExists) {
  const auto database = OpenWithTable();
  ASSERT_THAT(database->Execute("INSERT INTO t VALUES (1, NULL)"), IsOk());

  EXPECT_THAT(database->Execute("INSERT INTO t VALUES (1, NULL)"),
              StatusIs(absl::StatusCode::kAlreadyExists));
}

TEST_F(SqliteTest, ParameterThatDoesNotExistIsReportedByStep) {
  const auto database = OpenWithTable();
  auto read = database->Prepare("SELECT * FROM t WHERE k = ?");
  ASSERT_THAT(read, IsOk());

  EXPECT_THAT(read->BindInt64(7, 1).Step(),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("bind")));
}

TEST_F(SqliteTest, BadSqlIsNamed) {
  const auto database = OpenWithTable();

  EXPECT_THAT(database->Prepare("SELEKT 1"),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("SELEKT")));
}

TEST_F(SqliteTest, FileThatIsNoDatabaseIsRefused) {
  std::ofstream(path_) << std::string(4096, 'x');

  EXPECT_THAT(SqliteDatabase::Open(path_),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr(path_)));
}

TEST_F(SqliteTest, DirectoryThatIsMissingIsNamed) {
  const std::string path = absl::StrCat(testing::TempDir(), "none/here.db");

  EXPECT_THAT(SqliteDatabase::Open(path),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr(path)));
}

TEST_F(SqliteTest, DamageIsFoundByTheIntegrityCheck) {
  {
    const auto database = OpenWithTable();
    for (int row = 0; row < 200; ++row) {
      ASSERT_THAT(database->Execute(absl::StrCat("INSERT INTO t VALUES (", row,
                                                 ", randomblob(400))")),
                  IsOk());
    }
    ASSERT_THAT(database->CheckIntegrity(), IsOk());
    ASSERT_THAT(database->Execute("PRAGMA wal_checkpoint(TRUNCATE)"), IsOk());
  }
  std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(std::streamoff{3} * 4096);
  file << std::string(64, '\xff');
  file.close();

  auto damaged = SqliteDatabase::Open(path_);
  ASSERT_THAT(damaged, IsOk());
  EXPECT_THAT((*damaged)->CheckIntegrity(),
              StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(SqliteTest, UserVersionIsKeptInTheFile) {
  {
    const auto database = OpenWithTable();
    EXPECT_THAT(database->UserVersion(), IsOkAndHolds(0));
    ASSERT_THAT(database->SetUserVersion(3), IsOk());
  }
  auto again = SqliteDatabase::Open(path_);
  ASSERT_THAT(again, IsOk());
  EXPECT_THAT((*again)->UserVersion(), IsOkAndHolds(3));
}

TEST_F(SqliteTest, TimesAreKeptToTheMicrosecond) {
  const auto database = OpenWithTable();
  const absl::Time time =
      absl::FromUnixSeconds(1700000000) + absl::Microseconds(123456);
  auto insert = database->Prepare("INSERT INTO t(k) VALUES (?)");
  ASSERT_THAT(insert->BindTime(1, time).Run(), IsOk());

  auto read = database->Prepare("SELECT k FROM t");
  ASSERT_THAT(read->Step(), IsOkAndHolds(true));
  EXPECT_EQ(read->Time(0), time);
  EXPECT_EQ(read->Int64(0), 1700000000123456);
}

TEST_F(SqliteTest, NumberOfTheLastRowIsKnown) {
  const auto database = OpenWithTable();
  ASSERT_THAT(database->Execute("INSERT INTO t VALUES (41, x'00'); "
                                "INSERT INTO t VALUES (NULL, x'00')"),
              IsOk());
  EXPECT_EQ(database->LastInsertRowId(), 42);
}

TEST_F(SqliteTest, OpenTransactionShows) {
  const auto database = OpenWithTable();
  EXPECT_FALSE(database->InTransaction());
  {
    const auto change = SqliteTransaction::BeginWrite(database.get());
    ASSERT_THAT(change, IsOk());
    EXPECT_TRUE(database->InTransaction());
  }
  EXPECT_FALSE(database->InTransaction());
}

TEST(SqliteDamageTest, IsToldAsSqliteTellsIt) {
  const absl::Status damage = SqliteDamage("a table is missing");
  EXPECT_THAT(damage, StatusIs(absl::StatusCode::kDataLoss,
                               HasSubstr("a table is missing")));
  EXPECT_EQ(DetailsOf(damage).metadata.at("sqlite_code"), "11");
}

}  // namespace
}  // namespace innkeeper
