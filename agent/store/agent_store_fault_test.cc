// What the store does when the machine, the disk or the file fails it.
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "agent/guest/guest_record.h"
#include "agent/store/agent_store.h"
#include "agent/store/store_types.h"
#include "base/file.h"
#include "base/reason.h"
#include "base/sqlite.h"
#include "base/testing/fake_clock.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr size_t kMaxFile = size_t{64} << 20;

GuestRecord Guest(absl::string_view id, int64_t revision) {
  GuestRecord record;
  record.id = std::string(id);
  record.uid = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
  record.owner = "user/tenant-a";
  record.spec.memory_bytes = kMinMemoryBytes;
  record.revision = revision;
  return record;
}

Change GuestAndEvent(int64_t revision) {
  Change change;
  change.put_guests = {Guest("web", revision)};
  change.events = {{0, absl::UnixEpoch(), "web", "user/a", "x", "payload"}};
  change.put_contexts.emplace_back();
  change.put_contexts.back().id = "build";
  return change;
}

class AgentStoreFaultTest : public testing::Test {
 protected:
  AgentStoreFaultTest() {
    std::string directory = absl::StrCat(testing::TempDir(), "/fault.XXXXXX");
    EXPECT_NE(mkdtemp(directory.data()), nullptr);
    options_.path = absl::StrCat(directory, "/agent.db");
    options_.clock = &clock_;
  }

  // The bytes of a closed database with one guest at revision 3.
  std::string MakeDatabase() {
    {
      const auto store = AgentStore::Open(options_);
      EXPECT_THAT(store, IsOk());
      for (int i = 1; i <= 3; ++i) {
        EXPECT_THAT((*store)->Commit(GuestAndEvent(i)), IsOk());
      }
    }
    return *ReadFile(options_.path, kMaxFile);
  }

  void WriteDatabase(const std::string& bytes) {
    for (const char* suffix : {"", "-wal", "-shm"}) {
      unlink(absl::StrCat(options_.path, suffix).c_str());
    }
    ASSERT_THAT(WriteFileAtomically(options_.path, bytes, 0600), IsOk());
  }

  // Opens whatever lies there and uses all of it; the store must open.
  std::unique_ptr<AgentStore> OpenAndUse() {
    absl::StatusOr<std::unique_ptr<AgentStore>> store =
        AgentStore::Open(options_);
    last_status_ = store.status();
    if (!store.ok()) return nullptr;
    (*store)->LoadGuests().IgnoreError();
    (*store)->LoadContexts().IgnoreError();
    (*store)->ListOperations("", 100).IgnoreError();
    (*store)->EventsAfter(0, 100).IgnoreError();
    (*store)->FindRequest("a", "b", "c").IgnoreError();
    (*store)->Commit(GuestAndEvent(1)).IgnoreError();
    (*store)->CollectGarbage().IgnoreError();
    return *std::move(store);
  }

  FakeClock clock_;
  AgentStore::Options options_;
  absl::Status last_status_;  // Of OpenAndUse.
};

// Commits revisions 1 to 5 in a process that kills itself at `failpoint`.
void CommitUntilKilled(const std::string& path, const std::string& failpoint) {
  std::string binary = "agent/store/commit_loop";
  std::string setting = absl::StrCat("INNKEEPER_FAILPOINT=", failpoint);
  std::string argument = path;
  char* const argv[] = {binary.data(), argument.data(), nullptr};
  char* const envp[] = {setting.data(), nullptr};
  pid_t child = 0;
  ASSERT_EQ(posix_spawn(&child, binary.c_str(), nullptr, nullptr, argv, envp),
            0);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status)) << "exit " << WEXITSTATUS(status);
  ASSERT_EQ(WTERMSIG(status), SIGKILL);
}

TEST_F(AgentStoreFaultTest, KilledBeforeACommitNothingOfItIsLeft) {
  CommitUntilKilled(options_.path, "agent.store.before_commit#3");

  const auto store = AgentStore::Open(options_);

  ASSERT_THAT(store, IsOk());
  EXPECT_FALSE((*store)->fresh());
  EXPECT_EQ((*store)->LoadGuests()->records.at(0).revision, 2);
  EXPECT_THAT((*store)->LastSequence(), IsOkAndHolds(2));
}

TEST_F(AgentStoreFaultTest, KilledAfterACommitAllOfItIsThere) {
  CommitUntilKilled(options_.path, "agent.store.after_commit#3");

  const auto store = AgentStore::Open(options_);

  ASSERT_THAT(store, IsOk());
  EXPECT_EQ((*store)->LoadGuests()->records.at(0).revision, 3);
  EXPECT_THAT((*store)->LastSequence(), IsOkAndHolds(3));
}

TEST_F(AgentStoreFaultTest, ADatabaseThatIsNoneIsMovedAside) {
  MakeDatabase();
  WriteDatabase(std::string(8192, 'x'));

  const auto store = AgentStore::Open(options_);

  ASSERT_THAT(store, IsOk());
  EXPECT_TRUE((*store)->fresh());
  EXPECT_EQ((*store)->damaged_copy(), absl::StrCat(options_.path, ".damaged"));
  EXPECT_THAT(ReadFile((*store)->damaged_copy(), kMaxFile),
              IsOkAndHolds(std::string(8192, 'x')));
  EXPECT_THAT((*store)->Commit(GuestAndEvent(1)), IsOk());
}

TEST_F(AgentStoreFaultTest, ADeletedDatabaseIsFreshWithAnotherEpoch) {
  int64_t epoch = 0;
  {
    const auto store = AgentStore::Open(options_);
    epoch = (*store)->epoch();
  }
  clock_.Advance(absl::Seconds(1));
  unlink(options_.path.c_str());

  const auto store = AgentStore::Open(options_);

  ASSERT_THAT(store, IsOk());
  EXPECT_TRUE((*store)->fresh());
  EXPECT_NE((*store)->epoch(), epoch);
}

TEST_F(AgentStoreFaultTest, EveryTruncationIsSurvived) {
  const std::string bytes = MakeDatabase();
  for (size_t size = 0; size < bytes.size(); size += 509) {
    WriteDatabase(bytes.substr(0, size));
    const auto store = OpenAndUse();
    ASSERT_NE(store, nullptr) << size << " bytes";
    EXPECT_TRUE(store->fresh()) << size << " bytes";
  }
}

TEST_F(AgentStoreFaultTest, FlippedBytesAreSurvived) {
  const std::string bytes = MakeDatabase();
  for (size_t at = 0; at < bytes.size(); at += at < 200 ? 1 : 97) {
    std::string flipped = bytes;
    flipped[at] = static_cast<char>(flipped[at] ^ 0xff);
    WriteDatabase(flipped);
    if (OpenAndUse() != nullptr) continue;
    // What the header says of itself is believed, for nothing contradicts it.
    EXPECT_THAT(last_status_,
                StatusIs(absl::StatusCode::kFailedPrecondition,
                         testing::AnyOf(HasSubstr("of another program"),
                                        HasSubstr("has version"))))
        << "byte " << at;
  }
}

TEST_F(AgentStoreFaultTest, AGuestWhoseBytesAreDamagedIsNamed) {
  std::string bytes = MakeDatabase();
  const size_t at = bytes.find("user/tenant-a");
  ASSERT_NE(at, std::string::npos);
  bytes[at] = 'U';
  WriteDatabase(bytes);

  const auto store = AgentStore::Open(options_);

  ASSERT_THAT(store, IsOk());
  EXPECT_THAT((*store)->LoadGuests()->records, IsEmpty());
  EXPECT_THAT((*store)->LoadGuests()->damaged, ElementsAre("web"));
}

TEST_F(AgentStoreFaultTest, ANewerVersionsDatabaseIsLeftAlone) {
  MakeDatabase();
  {
    auto database = SqliteDatabase::Open(options_.path);
    ASSERT_THAT((*database)->Execute("PRAGMA user_version=99"), IsOk());
  }

  const auto store = AgentStore::Open(options_);

  EXPECT_THAT(store, StatusIs(absl::StatusCode::kFailedPrecondition,
                              HasSubstr("has version 99")));
}

TEST_F(AgentStoreFaultTest, AnotherProgramsDatabaseIsLeftAlone) {
  {
    auto database = SqliteDatabase::Open(options_.path);
    ASSERT_THAT((*database)->Execute("CREATE TABLE t (x)"), IsOk());
  }

  const auto store = AgentStore::Open(options_);

  EXPECT_THAT(store, StatusIs(absl::StatusCode::kFailedPrecondition,
                              HasSubstr("of another program")));
}

TEST_F(AgentStoreFaultTest, AStoreWithoutItsDirectoryIsRefused) {
  options_.path = absl::StrCat(options_.path, "/none/agent.db");

  EXPECT_FALSE(AgentStore::Open(options_).ok());
}

// A file size limit stands for the full disk.
TEST_F(AgentStoreFaultTest, AFullDiskRefusesCommitsUntilThereIsRoomAgain) {
  const auto store = AgentStore::Open(options_);
  ASSERT_THAT(store, IsOk());
  ASSERT_THAT((*store)->Commit(GuestAndEvent(1)), IsOk());
  rlimit old = {};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
  const auto before = signal(SIGXFSZ, SIG_IGN);
  rlimit tight = old;
  tight.rlim_cur = 64 << 10;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &tight), 0);
  Change large = GuestAndEvent(2);
  large.events[0].payload = std::string(1 << 20, 'x');

  const auto refused = (*store)->Commit(large);
  const auto guests = (*store)->LoadGuests();
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &old), 0);
  signal(SIGXFSZ, before);

  EXPECT_THAT(refused,
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("disk")));
  EXPECT_THAT(refused, HasReason(reason::kStoreUnavailable));
  ASSERT_THAT(guests, IsOk());
  EXPECT_EQ(guests->records.at(0).revision, 1);
  EXPECT_THAT((*store)->Commit(large), IsOk());
  EXPECT_THAT((*store)->LastSequence(), IsOkAndHolds(2));
}

}  // namespace
}  // namespace innkeeper
