// Runs as root: only root makes mounts and gives files away.
#include "agent/launcher/guest_dir.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "agent/launch/launch_plan.h"
#include "base/testing/status_matchers.h"
#include "base/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

constexpr gid_t kAgentGid = 1999000000;
constexpr uid_t kKeeper = 1999000001;

LaunchPlan MakePlan(const std::string& guest) {
  LaunchPlan plan;
  plan.guest = guest;
  plan.manifest = "manifest of " + guest;
  PlannedFd qmp;
  qmp.kind = FdKind::kQmp;
  PlannedFd console;
  console.kind = FdKind::kConsole;
  plan.fds = {qmp, console};
  return plan;
}

class GuestDirTest : public testing::Test {
 protected:
  GuestDirTest() {
    top_ = absl::StrCat(testing::TempDir(), "/guestsXXXXXX");
    EXPECT_NE(mkdtemp(top_.data()), nullptr);
    dirs_ = std::make_unique<GuestDirs>(top_, kAgentGid);
  }
  void SetUp() override { ASSERT_EQ(getuid(), 0u) << "this test needs root"; }
  std::string In(const std::string& name) {
    return absl::StrCat(top_, "/", name);
  }
  // "uid:gid mode" of a path.
  std::string OwnershipOf(const std::string& name) {
    struct stat info = {};
    if (lstat(In(name).c_str(), &info) != 0) return "absent";
    char mode[8];
    snprintf(mode, sizeof(mode), "%04o", info.st_mode & 07777);
    return absl::StrCat(info.st_uid, ":", info.st_gid, " ", mode);
  }

  std::string top_;
  std::unique_ptr<GuestDirs> dirs_;
};

TEST_F(GuestDirTest, OnlyTheLogBelongsToTheKeeper) {
  const absl::StatusOr<GuestDirFds> fds = dirs_->Make(MakePlan("web"), kKeeper);

  ASSERT_THAT(fds, IsOk());
  const std::string agent = absl::StrCat("0:", kAgentGid);
  EXPECT_EQ(OwnershipOf("web"), agent + " 0750");
  EXPECT_EQ(OwnershipOf("web/manifest"), agent + " 0640");
  EXPECT_EQ(OwnershipOf("web/qmp.sock"), agent + " 0660");
  EXPECT_EQ(OwnershipOf("web/console.sock"), agent + " 0660");
  EXPECT_EQ(OwnershipOf("web/log"),
            absl::StrCat(kKeeper, ":", kAgentGid, " 2750"));
}

TEST_F(GuestDirTest, SocketsAreThoseOfThePlanBoundAndNotListening) {
  const absl::StatusOr<GuestDirFds> fds = dirs_->Make(MakePlan("web"), kKeeper);

  ASSERT_THAT(fds, IsOk());
  EXPECT_TRUE(fds->qmp.valid());
  EXPECT_TRUE(fds->console.valid());
  EXPECT_FALSE(fds->break_glass.valid());
  EXPECT_EQ(OwnershipOf("web/qmp2.sock"), "absent");
  int listening = 1;
  socklen_t size = sizeof(listening);
  ASSERT_EQ(
      getsockopt(fds->qmp.get(), SOL_SOCKET, SO_ACCEPTCONN, &listening, &size),
      0);
  EXPECT_EQ(listening, 0);
}

TEST_F(GuestDirTest, WayUpFromTheLogLeadsNowhere) {
  const absl::StatusOr<GuestDirFds> fds = dirs_->Make(MakePlan("web"), kKeeper);
  ASSERT_THAT(fds, IsOk());

  const UniqueFd file(
      openat(fds->log.get(), "log.0", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  EXPECT_TRUE(file.valid());
  EXPECT_EQ(OwnershipOf("web/log/log.0").substr(0, 2), "0:");
  EXPECT_LT(openat(fds->log.get(), "../manifest", O_RDONLY | O_CLOEXEC), 0);
}

TEST_F(GuestDirTest, SecondDirectoryOfAGuestIsRefused) {
  ASSERT_THAT(dirs_->Make(MakePlan("web"), kKeeper), IsOk());

  EXPECT_THAT(dirs_->Make(MakePlan("web"), kKeeper),
              StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_THAT(dirs_->ReadManifest("web"), IsOkAndHolds("manifest of web"));
}

TEST_F(GuestDirTest, GuestsAreListedAndOtherFilesNot) {
  EXPECT_THAT(dirs_->List(), IsEmpty());
  ASSERT_THAT(dirs_->Make(MakePlan("web"), kKeeper), IsOk());
  ASSERT_THAT(dirs_->Make(MakePlan("db"), kKeeper), IsOk());
  ASSERT_EQ(mkdir(In("Not-A-Guest").c_str(), 0700), 0);
  std::ofstream(In(".hidden")) << "x";

  EXPECT_THAT(dirs_->List(), UnorderedElementsAre("web", "db"));
  EXPECT_THAT(GuestDirs(In("no"), kAgentGid).List(), IsEmpty());
}

TEST_F(GuestDirTest, ManifestThatIsAbsentOrTooLargeIsAnError) {
  EXPECT_THAT(dirs_->ReadManifest("no"), StatusIs(absl::StatusCode::kNotFound));
  ASSERT_EQ(mkdir(In("big").c_str(), 0700), 0);
  std::ofstream(In("big/manifest")) << std::string(kMaxManifestBytes + 1, 'x');
  EXPECT_FALSE(dirs_->ReadManifest("big").ok());
}

TEST_F(GuestDirTest, RemovedGuestLeavesNothingAndRemovingTwiceIsNoFault) {
  ASSERT_THAT(dirs_->Make(MakePlan("web"), kKeeper), IsOk());
  ASSERT_THAT(dirs_->Make(MakePlan("db"), kKeeper), IsOk());

  EXPECT_THAT(dirs_->Remove("web"), IsOk());
  EXPECT_THAT(dirs_->Remove("web"), IsOk());

  EXPECT_EQ(OwnershipOf("web"), "absent");
  EXPECT_THAT(dirs_->List(), ElementsAre("db"));
}

// A keeper that was turned owns its log directory and may put anything there.
TEST_F(GuestDirTest, NothingThatAKeeperPutIntoItsLogLeadsOutOfIt) {
  const std::string outside = absl::StrCat(top_, "-outside");
  ASSERT_EQ(mkdir(outside.c_str(), 0700), 0);
  std::ofstream(outside + "/precious") << "x";
  ASSERT_THAT(dirs_->Make(MakePlan("web"), kKeeper), IsOk());
  ASSERT_EQ(symlink(outside.c_str(), In("web/log/link").c_str()), 0);
  ASSERT_EQ(mkdir(In("web/log/dir").c_str(), 0700), 0);
  ASSERT_EQ(symlink("../../..", In("web/log/dir/up").c_str()), 0);

  EXPECT_THAT(dirs_->Remove("web"), IsOk());

  EXPECT_EQ(OwnershipOf("web"), "absent");
  EXPECT_EQ(access((outside + "/precious").c_str(), F_OK), 0);
}

TEST_F(GuestDirTest, DeepAndBroadDirectoriesAreRemovedWithFewDescriptors) {
  ASSERT_THAT(dirs_->Make(MakePlan("web"), kKeeper), IsOk());
  UniqueFd at(open(In("web/log").c_str(), O_PATH | O_CLOEXEC));
  // Deeper than a path may be long, and than there may be descriptors.
  for (int depth = 0; depth < 3000; ++depth) {
    ASSERT_EQ(mkdirat(at.get(), "d", 0700), 0);
    UniqueFd next(openat(at.get(), "d", O_PATH | O_CLOEXEC));
    ASSERT_TRUE(next.valid());
    at = std::move(next);
  }
  for (int i = 0; i < 3000; ++i) {
    std::ofstream(In(absl::StrCat("web/log/f", i))) << "x";
  }
  at.reset();

  EXPECT_THAT(dirs_->Remove("web"), IsOk());
  EXPECT_EQ(OwnershipOf("web"), "absent");
}

}  // namespace
}  // namespace innkeeper
