#include "agent/launcher/persistent_state.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/testing/status_matchers.h"
#include "base/unique_fd.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

namespace fs = std::filesystem;

constexpr char kOne[] = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
constexpr char kOther[] = "3f2504e0-4f89-41d3-9a0c-0305e82c3302";

class PersistentStateTest : public testing::Test {
 protected:
  PersistentStateTest()
      : top_(absl::StrCat(testing::TempDir(), "/stateXXXXXX")) {
    EXPECT_NE(mkdtemp(top_.data()), nullptr);
    fs::create_directory(top_ + "/guests");
    state_ = std::make_unique<PersistentState>(top_ + "/guests");
    begin_as_ = top_ + "/begin_as";
    EXPECT_THAT(WriteFileAtomically(begin_as_, "as delivered", 0644), IsOk());
  }
  ~PersistentStateTest() override { fs::remove_all(top_); }

  std::string PathOf(const std::string& uid) {
    return absl::StrCat(top_, "/guests/", uid);
  }
  std::string Content(const UniqueFd& fd) {
    char buffer[64] = {};
    const ssize_t got = pread(fd.get(), buffer, sizeof(buffer), 0);
    return std::string(buffer, got < 0 ? 0 : static_cast<size_t>(got));
  }

  std::string top_;
  std::string begin_as_;
  std::unique_ptr<PersistentState> state_;
};

TEST_F(PersistentStateTest, DirectoryIsMadeOnceAndIsItsOwnersAlone) {
  EXPECT_FALSE(state_->Has(kOne));
  ASSERT_THAT(state_->Make(kOne), IsOk());
  ASSERT_THAT(state_->Make(kOne), IsOk());
  EXPECT_TRUE(state_->Has(kOne));
  EXPECT_FALSE(state_->Has(kOther));
  struct stat info = {};
  ASSERT_EQ(stat(PathOf(kOne).c_str(), &info), 0);
  EXPECT_EQ(info.st_mode, S_IFDIR | 0700u);
  EXPECT_EQ(info.st_uid, getuid());
}

TEST_F(PersistentStateTest, VariablesBeginAsACopyAndKeepWhatIsWritten) {
  ASSERT_THAT(state_->Make(kOne), IsOk());
  ASSERT_THAT(state_->Make(kOther), IsOk());
  const auto first = state_->OpenVariables(kOne, begin_as_);
  ASSERT_THAT(first, IsOk());
  EXPECT_EQ(Content(*first), "as delivered");
  ASSERT_EQ(pwrite(first->get(), "AS", 2, 0), 2);

  const auto second = state_->OpenVariables(kOne, begin_as_);
  ASSERT_THAT(second, IsOk());
  EXPECT_EQ(Content(*second), "AS delivered");
  const auto other = state_->OpenVariables(kOther, begin_as_);
  ASSERT_THAT(other, IsOk());
  EXPECT_EQ(Content(*other), "as delivered");
  EXPECT_EQ(*ReadFile(begin_as_, 64), "as delivered");
}

TEST_F(PersistentStateTest, EachOpeningHasLocksOfItsOwn) {
  ASSERT_THAT(state_->Make(kOne), IsOk());
  const auto first = state_->OpenVariables(kOne, begin_as_);
  const auto second = state_->OpenVariables(kOne, begin_as_);
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(second, IsOk());
  struct flock lock = {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;

  ASSERT_EQ(fcntl(first->get(), F_OFD_SETLK, &lock), 0);
  EXPECT_NE(fcntl(second->get(), F_OFD_SETLK, &lock), 0);
}

TEST_F(PersistentStateTest, FirmwareThatIsGoneOrNoneLeavesNoStoreBehind) {
  ASSERT_THAT(state_->Make(kOne), IsOk());
  EXPECT_FALSE(state_->OpenVariables(kOne, top_ + "/absent").ok());
  ASSERT_EQ(truncate(begin_as_.c_str(), kMaxUefiVariablesBytes + 1), 0);
  EXPECT_FALSE(state_->OpenVariables(kOne, begin_as_).ok());
  EXPECT_TRUE(fs::is_empty(PathOf(kOne)));
}

TEST_F(PersistentStateTest, RemovedStateIsGoneWithWhatALaunchLeftUnfinished) {
  ASSERT_THAT(state_->Make(kOne), IsOk());
  ASSERT_THAT(state_->Make(kOther), IsOk());
  ASSERT_THAT(state_->OpenVariables(kOne, begin_as_), IsOk());
  ASSERT_THAT(
      WriteFileAtomically(PathOf(kOne) + "/variables.Xy3kd8", "half", 0600),
      IsOk());

  EXPECT_THAT(state_->Remove(kOne), IsOk());
  EXPECT_FALSE(state_->Has(kOne));
  EXPECT_TRUE(state_->Has(kOther));
  EXPECT_THAT(state_->Remove(kOne), IsOk());
}

}  // namespace
}  // namespace innkeeper
