#include "agent/launcher/journal.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

JournalEntry MakeEntry(const std::string& guest) {
  JournalEntry entry;
  entry.launched = true;
  entry.guest = guest;
  entry.uid = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
  entry.boot_id = "boot";
  entry.unix_uid = 1880000014;
  entry.pid = 4242;
  entry.start_time_ticks = 99;
  entry.keeper_pid = 4241;
  entry.keeper_start_time_ticks = 98;
  entry.taps = {{"ink00000001-0", "lan", {2, 0, 0, 0, 0, 1}, {"\n\1\2\3"}}};
  return entry;
}

class JournalTest : public testing::Test {
 protected:
  JournalTest() {
    dir_ = absl::StrCat(testing::TempDir(), "/journalXXXXXX");
    EXPECT_NE(mkdtemp(dir_.data()), nullptr);
  }
  std::string PathOf(const std::string& name) {
    return absl::StrCat(dir_, "/", name);
  }
  std::map<std::string, JournalEntry> Load() {
    const auto entries = Journal(dir_).Load();
    EXPECT_THAT(entries, IsOk());
    return entries.value_or(std::map<std::string, JournalEntry>());
  }

  std::string dir_;
};

TEST_F(JournalTest, NextLauncherFindsWhatTheLastOneWrote) {
  ASSERT_THAT(Journal(dir_).Write(MakeEntry("web")), IsOk());

  const std::map<std::string, JournalEntry> entries = Load();

  ASSERT_THAT(entries, ElementsAre(Pair("web", testing::_)));
  const JournalEntry& entry = entries.at("web");
  EXPECT_TRUE(entry.launched);
  EXPECT_EQ(entry.guest, "web");
  EXPECT_EQ(entry.uid, "3f2504e0-4f89-41d3-9a0c-0305e82c3301");
  EXPECT_EQ(entry.boot_id, "boot");
  EXPECT_EQ(entry.unix_uid, 1880000014u);
  EXPECT_EQ(entry.pid, 4242);
  EXPECT_EQ(entry.start_time_ticks, 99u);
  EXPECT_EQ(entry.keeper_pid, 4241);
  EXPECT_EQ(entry.keeper_start_time_ticks, 98u);
  ASSERT_EQ(entry.taps.size(), 1u);
  EXPECT_EQ(entry.taps[0].device, "ink00000001-0");
  EXPECT_EQ(entry.taps[0].network, "lan");
  EXPECT_EQ(entry.taps[0].mac, (MacAddress{2, 0, 0, 0, 0, 1}));
  EXPECT_THAT(entry.taps[0].addresses, ElementsAre("\n\1\2\3"));
}

TEST_F(JournalTest, LastWordOfAGuestCounts) {
  Journal journal(dir_);
  JournalEntry entry = MakeEntry("web");
  entry.launched = false;
  ASSERT_THAT(journal.Write(entry), IsOk());
  EXPECT_FALSE(Load().at("web").launched);
  ASSERT_THAT(journal.Write(MakeEntry("web")), IsOk());
  EXPECT_TRUE(Load().at("web").launched);
}

TEST_F(JournalTest, RemovedGuestIsForgottenAndRemovingTwiceIsNoFault) {
  Journal journal(dir_);
  ASSERT_THAT(journal.Write(MakeEntry("web")), IsOk());

  EXPECT_THAT(journal.Remove("web"), IsOk());
  EXPECT_THAT(journal.Remove("web"), IsOk());
  EXPECT_THAT(Load(), IsEmpty());
}

// Whatever a guest's entry has become, the guest itself must not be forgotten:
// it is cleaned up as a launch that was only intended.
TEST_F(JournalTest, EntryThatCannotBeReadStillNamesItsGuest) {
  std::ofstream(PathOf("empty")) << "";
  std::ofstream(PathOf("garbage")) << "garbage";
  std::ofstream(PathOf("huge")) << std::string(kMaxJournalEntryBytes + 1, 'x');
  std::ofstream(PathOf("cut"))
      << EncodeJournalEntry(MakeEntry("cut")).substr(0, 20);
  std::ofstream(PathOf("longer"))
      << EncodeJournalEntry(MakeEntry("longer")) << "x";
  std::ofstream(PathOf("another")) << EncodeJournalEntry(MakeEntry("web"));

  const std::map<std::string, JournalEntry> entries = Load();

  EXPECT_EQ(entries.size(), 6u);
  for (const auto& [guest, entry] : entries) {
    EXPECT_EQ(entry.guest, guest);
    EXPECT_FALSE(entry.launched) << guest;
    EXPECT_EQ(entry.pid, 0) << guest;
  }
}

TEST_F(JournalTest, ForeignFilesAreLeftAloneAndHalfWrittenOnesRemoved) {
  std::ofstream(PathOf("README")) << "x";
  std::ofstream(PathOf("web.new")) << "half";
  ASSERT_EQ(mkdir(PathOf("Dir").c_str(), 0700), 0);

  EXPECT_THAT(Load(), IsEmpty());
  EXPECT_EQ(access(PathOf("README").c_str(), F_OK), 0);
  EXPECT_NE(access(PathOf("web.new").c_str(), F_OK), 0);
}

TEST_F(JournalTest, EntryIsForRootsEyesOnly) {
  ASSERT_THAT(Journal(dir_).Write(MakeEntry("web")), IsOk());
  struct stat info = {};
  ASSERT_EQ(stat(PathOf("web").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
}

TEST_F(JournalTest, JournalThatIsNotThereIsAnErrorNotAnEmptyOne) {
  EXPECT_FALSE(Journal(PathOf("no")).Load().ok());
}

}  // namespace
}  // namespace innkeeper
