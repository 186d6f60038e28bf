#include "agent/plugin/plugin_socket.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "base/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

constexpr uid_t kUid = 1879990001;
constexpr uid_t kOther = 1879990002;

// A socket at `path` of `owner`, on which `listener` listens.
UniqueFd Listen(const std::string& path, uid_t owner, uid_t listener,
                int backlog = 16) {
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  EXPECT_LT(path.size(), sizeof(address.sun_path));
  memcpy(address.sun_path, path.c_str(), path.size() + 1);
  EXPECT_EQ(bind(fd.get(), reinterpret_cast<const sockaddr*>(&address),
                 sizeof(address)),
            0)
      << path << ": " << strerror(errno);
  EXPECT_EQ(chown(path.c_str(), owner, owner), 0);
  // Whoever calls listen(2) is the peer that others see.
  EXPECT_EQ(seteuid(listener), 0);
  EXPECT_EQ(listen(fd.get(), backlog), 0);
  EXPECT_EQ(seteuid(0), 0);
  return fd;
}

class PluginSocketTest : public testing::Test {
 protected:
  PluginSocketTest() {
    char path[] = "/tmp/plugin-XXXXXX";
    base_ = mkdtemp(path);
    EXPECT_EQ(chmod(path, 0755), 0);
    directory_ = absl::StrCat(base_, "/", kUid);
    EXPECT_EQ(mkdir(directory_.c_str(), 0755), 0);
    EXPECT_EQ(chown(directory_.c_str(), kUid, kUid), 0);
    config_.name = "policy";
    config_.socket = directory_ + "/policy.sock";
    config_.uid = kUid;
  }
  ~PluginSocketTest() override {
    umount2(directory_.c_str(), MNT_DETACH);
    const std::string remove = "rm -rf '" + base_ + "'";
    EXPECT_EQ(system(remove.c_str()), 0);
  }

  void ExpectRefused(const std::string& why) {
    EXPECT_THAT(ConnectPlugin(config_),
                StatusIs(absl::StatusCode::kUnavailable, HasSubstr(why)));
  }
  absl::StatusOr<std::vector<PluginConfig>> Find() {
    return FindOwnerPlugins(base_, kUid, "user/ada");
  }
  void ExpectNotFound(const std::string& why) {
    const auto found = Find();
    EXPECT_THAT(
        found, StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr(why)));
    EXPECT_THAT(found, HasReason(reason::kPluginFailed));
  }
  void Touch(const std::string& name) {
    const UniqueFd fd(open(absl::StrCat(directory_, "/", name).c_str(),
                           O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
    EXPECT_TRUE(fd.valid());
  }

  std::string base_;
  std::string directory_;
  PluginConfig config_;
};

TEST_F(PluginSocketTest, PluginOfTheRightUserIsConnectedWithoutBlocking) {
  const UniqueFd listener = Listen(config_.socket, kUid, kUid);

  const absl::StatusOr<UniqueFd> fd = ConnectPlugin(config_);

  ASSERT_THAT(fd, IsOk());
  EXPECT_NE(fcntl(fd->get(), F_GETFL) & O_NONBLOCK, 0);
  EXPECT_NE(fcntl(fd->get(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST_F(PluginSocketTest, AbsentPluginIsNamed) {
  ExpectRefused("policy.sock cannot be opened");
  config_.socket = base_ + "/nothing/policy.sock";
  ExpectRefused("nothing cannot be opened");
}

TEST_F(PluginSocketTest, SocketThatNobodyServesIsNamed) {
  Listen(config_.socket, kUid, kUid);
  ExpectRefused("nobody who listens");
}

TEST_F(PluginSocketTest, ListenerOfAnotherUserIsRefused) {
  const UniqueFd listener = Listen(config_.socket, kUid, kOther);
  ExpectRefused(absl::StrCat("is served by uid ", kOther));
}

TEST_F(PluginSocketTest, SocketOfAnotherUserIsRefused) {
  const UniqueFd listener = Listen(config_.socket, kOther, kUid);
  ExpectRefused(absl::StrCat("belongs to uid ", kOther));
}

TEST_F(PluginSocketTest, DirectoryThatOthersMayWriteToIsRefused) {
  const UniqueFd listener = Listen(config_.socket, kUid, kUid);
  for (const mode_t mode : {0775, 0757, 01777}) {
    ASSERT_EQ(chmod(directory_.c_str(), mode), 0);
    ExpectRefused("can be written to by others");
  }
  ASSERT_EQ(chmod(directory_.c_str(), 0755), 0);
  ASSERT_EQ(chown(directory_.c_str(), kOther, kOther), 0);
  ExpectRefused("can be written to by others");
}

TEST_F(PluginSocketTest, LinkInsteadOfTheSocketIsRefused) {
  const std::string target = directory_ + "/target";
  const UniqueFd listener = Listen(target, kUid, kUid);
  ASSERT_EQ(symlink(target.c_str(), config_.socket.c_str()), 0);
  ExpectRefused("is no socket");
}

TEST_F(PluginSocketTest, FileInsteadOfTheSocketIsRefused) {
  Touch("policy.sock");
  ExpectRefused("is no socket");
}

TEST_F(PluginSocketTest, PluginThatTakesNoMoreConnectionsIsNotWaitedFor) {
  const UniqueFd listener = Listen(config_.socket, kUid, kUid, 0);
  std::vector<UniqueFd> taken;
  absl::StatusOr<UniqueFd> fd = ConnectPlugin(config_);
  for (int i = 0; i < 10 && fd.ok(); ++i) {
    taken.push_back(*std::move(fd));
    fd = ConnectPlugin(config_);
  }

  EXPECT_THAT(fd, StatusIs(absl::StatusCode::kUnavailable,
                           HasSubstr("more connections")));
}

TEST_F(PluginSocketTest, OwnersPluginsAreFoundByName) {
  for (const char* name : {"b.sock", "a.optional.sock", "readme.txt"}) {
    Touch(name);
  }

  const auto found = Find();

  ASSERT_THAT(found, IsOk());
  ASSERT_EQ(found->size(), 2u);
  const PluginConfig& a = (*found)[0];
  EXPECT_EQ(a.name, "user/ada/a");
  EXPECT_EQ(a.socket, directory_ + "/a.optional.sock");
  EXPECT_TRUE(a.fail_open);
  EXPECT_EQ(a.uid, kUid);
  EXPECT_EQ(a.owner, "user/ada");
  EXPECT_EQ(a.stages.size(), 5u);
  EXPECT_EQ(a.deadline, kDefaultPluginDeadline);
  EXPECT_EQ((*found)[1].name, "user/ada/b");
  EXPECT_FALSE((*found)[1].fail_open);
}

TEST_F(PluginSocketTest, OwnersPluginIsConnectedToo) {
  const UniqueFd listener = Listen(config_.socket, kUid, kUid);

  const auto found = Find();

  ASSERT_THAT(found, IsOk());
  ASSERT_EQ(found->size(), 1u);
  EXPECT_THAT(ConnectPlugin(found->front()), IsOk());
}

TEST_F(PluginSocketTest, OwnerWithoutADirectoryHasNoPlugins) {
  const auto found = FindOwnerPlugins(base_, kOther, "user/bob");

  ASSERT_THAT(found, IsOk());
  EXPECT_THAT(*found, IsEmpty());
}

TEST_F(PluginSocketTest, DirectoryThatIsNotTheOwnersAloneIsRefused) {
  ASSERT_EQ(chmod(directory_.c_str(), 0777), 0);
  ExpectNotFound("others can write to it");
  ASSERT_EQ(chmod(directory_.c_str(), 0755), 0);
  ASSERT_EQ(chown(directory_.c_str(), kOther, kOther), 0);
  ExpectNotFound(absl::StrCat("belongs to uid ", kOther));
}

TEST_F(PluginSocketTest, OwnersPluginsAreBounded) {
  for (const char* name : {"a.sock", "b.sock", "c.sock", "d.sock"}) Touch(name);
  EXPECT_THAT(Find(), IsOk());
  Touch("e.sock");
  ExpectNotFound("more than 4");
}

TEST_F(PluginSocketTest, OwnersDirectoryIsNotReadForEver) {
  for (int i = 0; i < 70; ++i) Touch(absl::StrCat("file", i));
  ExpectNotFound("too many files");
}

TEST_F(PluginSocketTest, NameThatIsNoneIsRefused) {
  Touch("-.sock");
  ExpectNotFound("name must match");
}

TEST_F(PluginSocketTest, SameNameTwiceIsRefused) {
  Touch("a.sock");
  Touch("a.optional.sock");
  ExpectNotFound("'a' is there twice");
}

TEST_F(PluginSocketTest, LinkInsteadOfAnOwnersDirectoryIsRefused) {
  const std::string link = absl::StrCat(base_, "/", kOther);
  ASSERT_EQ(symlink(directory_.c_str(), link.c_str()), 0);

  EXPECT_THAT(FindOwnerPlugins(base_, kOther, "user/bob"),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  config_.owner = "user/bob";
  config_.socket = link + "/policy.sock";
  ExpectRefused("cannot be opened");
}

TEST_F(PluginSocketTest, MountOverAnOwnersDirectoryIsNotEntered) {
  // A file system of the owner's own might never answer.
  ASSERT_EQ(mount("none", directory_.c_str(), "tmpfs", 0, "size=64k"), 0);

  ExpectNotFound("cannot be asked");
  config_.owner = "user/ada";
  ExpectRefused("cannot be opened");
}

}  // namespace
}  // namespace innkeeper
