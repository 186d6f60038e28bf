#include "server/store/sqlite_store.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "base/sqlite.h"
#include "base/testing/fake_clock.h"
#include "base/testing/status_matchers.h"
#include "base/unique_fd.h"
#include "base/uuid.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/store/testing/store_conformance.h"
#include "server/store/testing/watch_recorder.h"

namespace innkeeper {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Optional;

std::string NewPath() {
  return absl::StrCat(testing::TempDir(), MakeUuid(), ".db");
}

void RemoveFiles(const std::string& path) {
  for (const char* suffix : {"", "-wal", "-shm", ".lock"}) {
    std::remove(absl::StrCat(path, suffix).c_str());
  }
}

std::shared_ptr<Store> MakeSqliteStore() {
  const std::string path = NewPath();
  auto store = SqliteStore::Open(path);
  EXPECT_THAT(store, IsOk());
  return {store->release(), [path](Store* opened) {
            delete opened;
            RemoveFiles(path);
          }};
}

INSTANTIATE_TEST_SUITE_P(Sqlite, StoreConformanceTest,
                         testing::Values(MakeSqliteStore));

class SqliteStoreTest : public testing::Test {
 protected:
  ~SqliteStoreTest() override { RemoveFiles(path_); }

  std::unique_ptr<SqliteStore> Open() {
    SqliteStore::Options options;
    options.clock = &clock_;
    auto store = SqliteStore::Open(path_, options);
    EXPECT_THAT(store, IsOk());
    return *std::move(store);
  }

  const std::string path_ = NewPath();
  FakeClock clock_;
};

TEST_F(SqliteStoreTest, KeysRevisionAndHistoryOutliveTheProcess) {
  {
    const auto store = Open();
    ASSERT_THAT(store->Commit(Txn().PutKey("a", "1")), IsOk());
    ASSERT_THAT(store->Commit(Txn().PutKey("b", "2")), IsOk());
    ASSERT_THAT(store->Commit(Txn().DeleteKey("b")), IsOk());
  }
  const auto store = Open();

  const auto read = store->Get("a");
  ASSERT_THAT(read, IsOk());
  EXPECT_THAT(read->kv, Optional(KeyValue{"a", "1", 1}));
  EXPECT_EQ(read->revision, 3);
  WatchRecorder recorder;
  const auto watch = store->StartWatch("", 2, recorder.Callback());
  EXPECT_THAT(recorder.WaitFor(2), ElementsAre("2 +b=2", "3 -b"));
}

TEST_F(SqliteStoreTest, FileIsReadableByItsOwnerOnly) {
  const auto store = Open();
  for (const char* suffix : {"", "-wal", ".lock"}) {
    struct stat file;
    ASSERT_EQ(stat(absl::StrCat(path_, suffix).c_str(), &file), 0);
    EXPECT_EQ(file.st_mode & 0777, 0600) << suffix;
  }
}

TEST_F(SqliteStoreTest, SecondServerOnOneFileIsRefused) {
  const auto first = Open();

  const auto second = SqliteStore::Open(path_);

  EXPECT_THAT(second, StatusIs(absl::StatusCode::kUnavailable,
                               HasSubstr("another server")));
  EXPECT_THAT(second, HasReason(reason::kStoreUnavailable));
}

TEST_F(SqliteStoreTest, DamagedFileIsRefused) {
  {
    const auto store = Open();
    for (int i = 0; i < 50; ++i) {
      ASSERT_THAT(
          store->Commit(Txn().PutKey(absl::StrCat(i), std::string(400, 'v'))),
          IsOk());
    }
  }
  std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(std::streamoff{5} * 4096);
  file << std::string(64, '\xff');
  file.close();

  EXPECT_THAT(SqliteStore::Open(path_), StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(SqliteStoreTest, FileOfANewerVersionIsRefused) {
  Open();
  {
    auto database = SqliteDatabase::Open(path_);
    ASSERT_THAT(database, IsOk());
    ASSERT_THAT((*database)->SetUserVersion(2), IsOk());
  }

  EXPECT_THAT(
      SqliteStore::Open(path_),
      StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("format 2")));
}

TEST_F(SqliteStoreTest, MissingDirectoryIsNamed) {
  EXPECT_THAT(SqliteStore::Open("/nowhere/at/all/store.db"),
              StatusIs(absl::StatusCode::kUnavailable,
                       HasSubstr("/nowhere/at/all/store.db")));
}

TEST_F(SqliteStoreTest, HistoryOlderThanTenMinutesIsForgotten) {
  const auto store = Open();
  ASSERT_THAT(store->Commit(Txn().PutKey("a", "old")), IsOk());
  clock_.Advance(absl::Minutes(11));
  // Enough changes to come by the next trimming.
  for (int i = 0; i < 300; ++i) {
    ASSERT_THAT(store->Commit(Txn().PutKey("b", absl::StrCat(i))), IsOk());
  }

  WatchRecorder old;
  WatchRecorder young;
  const auto from_old = store->StartWatch("", 1, old.Callback());
  const auto from_young = store->StartWatch("", 2, young.Callback());

  EXPECT_THAT(old.WaitFor(1), ElementsAre("OUT_OF_RANGE"));
  EXPECT_EQ(young.WaitFor(300).size(), 300u);
  EXPECT_THAT(store->Get("a")->kv, Optional(KeyValue{"a", "old", 1}));
}

TEST_F(SqliteStoreTest, HistoryIsBoundedInRevisions) {
  SqliteStore::Options options;
  options.max_history_revisions = 20;
  auto store = SqliteStore::Open(path_, options);
  ASSERT_THAT(store, IsOk());
  for (int i = 0; i < 600; ++i) {
    ASSERT_THAT((*store)->Commit(Txn().PutKey("a", absl::StrCat(i))), IsOk());
  }

  WatchRecorder recorder;
  const auto watch = (*store)->StartWatch("", 200, recorder.Callback());

  EXPECT_THAT(recorder.WaitFor(1), ElementsAre("OUT_OF_RANGE"));
}

TEST_F(SqliteStoreTest, FullDiskFailsTheWriteAndKeepsWhatWasThere) {
  const auto store = Open();
  ASSERT_THAT(store->Commit(Txn().PutKey("a", "1")), IsOk());
  struct rlimit unlimited;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &unlimited), 0);
  // SIGXFSZ ignored, a write past the limit fails as one to a full disk does.
  ASSERT_NE(signal(SIGXFSZ, SIG_IGN), SIG_ERR);
  struct rlimit small = unlimited;
  small.rlim_cur = 256 << 10;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);

  const auto refused =
      store->Commit(Txn().PutKey("a", std::string(kMaxValueBytes, 'v')));

  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &unlimited), 0);
  EXPECT_FALSE(refused.ok());
  EXPECT_THAT(store->Get("a")->kv, Optional(KeyValue{"a", "1", 1}));
  ASSERT_THAT(store->Commit(Txn().PutKey("a", "2")), IsOk());
  EXPECT_THAT(store->Get("a")->kv, Optional(KeyValue{"a", "2", 2}));
}

// Commits "0", "1", ... to the store at `path` and writes one byte to `acks`
// after each, until it is killed.
[[noreturn]] void CommitUntilKilled(const std::string& path, int acks) {
  auto store = SqliteStore::Open(path);
  if (!store.ok()) _exit(1);
  for (int i = 0;; ++i) {
    const auto result = (*store)->Commit(Txn().PutKey(absl::StrCat(i), ""));
    if (!result.ok() || !result->committed) _exit(2);
    if (write(acks, "", 1) != 1) _exit(3);
  }
}

TEST_F(SqliteStoreTest, NoAcknowledgedCommitIsLostWhenTheServerIsKilled) {
  constexpr int kAcks = 200;
  int acks[2];
  ASSERT_EQ(pipe(acks), 0);
  const UniqueFd reader(acks[0]);
  UniqueFd writer(acks[1]);
  const pid_t server = fork();
  ASSERT_GE(server, 0);
  if (server == 0) CommitUntilKilled(path_, writer.get());
  writer.reset();
  int acknowledged = 0;
  char ack;
  while (acknowledged < kAcks && read(reader.get(), &ack, 1) == 1) {
    ++acknowledged;
  }

  ASSERT_EQ(kill(server, SIGKILL), 0);
  ASSERT_EQ(waitpid(server, nullptr, 0), server);
  while (read(reader.get(), &ack, 1) == 1) ++acknowledged;

  ASSERT_GE(acknowledged, kAcks);
  const auto store = Open();
  const auto stored = store->ListAll("");
  ASSERT_THAT(stored, IsOk());
  // The last commit may have had no time to be acknowledged.
  EXPECT_GE(static_cast<int>(stored->kvs.size()), acknowledged);
  EXPECT_LE(static_cast<int>(stored->kvs.size()), acknowledged + 1);
  EXPECT_EQ(stored->revision, static_cast<int64_t>(stored->kvs.size()));
}

}  // namespace
}  // namespace innkeeper
