// Runs as root, with one thread, as the launcher does.
#include "agent/launcher/namespaces.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "base/testing/status_matchers.h"
#include "base/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

ino_t Namespace(const char* process, const char* kind) {
  struct stat info = {};
  const std::string path = absl::StrCat("/proc/", process, "/ns/", kind);
  return stat(path.c_str(), &info) == 0 ? info.st_ino : 0;
}

int ExitStatusOf(pid_t pid) {
  int status = -1;
  if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) return -1;
  return WEXITSTATUS(status);
}

class NamespacesTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(getuid(), 0u) << "this test needs root"; }
};

TEST_F(NamespacesTest, ChildIsTheFirstProcessOfItsOwnNamespaces) {
  int go[2];
  ASSERT_EQ(pipe(go), 0);
  const absl::StatusOr<ClonedProcess> child =
      CloneIntoNamespaces(NewNamespaces(), UniqueFd());
  ASSERT_THAT(child, IsOk());
  if (child->pid == 0) {
    char byte;
    close(go[1]);
    // Lives until it has been looked at from outside.
    const bool let_go = read(go[0], &byte, 1) == 0;
    _exit(let_go && getpid() == 1 ? 0 : 1);
  }
  ASSERT_GT(child->pid, 0);
  const std::string pid = absl::StrCat(child->pid);
  for (const char* kind : {"mnt", "pid", "ipc", "uts"}) {
    EXPECT_NE(Namespace(pid.c_str(), kind), 0u) << kind;
    EXPECT_NE(Namespace(pid.c_str(), kind), Namespace("self", kind)) << kind;
  }
  close(go[0]);
  close(go[1]);
  EXPECT_EQ(ExitStatusOf(child->pid), 0);
}

TEST_F(NamespacesTest, PidfdIsThatOfTheChildAndTellsOfItsEnd) {
  int go[2];
  ASSERT_EQ(pipe(go), 0);
  const absl::StatusOr<ClonedProcess> child = CloneProcess();
  ASSERT_THAT(child, IsOk());
  if (child->pid == 0) {
    char byte;
    close(go[1]);
    // Lives until the test lets it go.
    _exit(read(go[0], &byte, 1) == 0 ? 7 : 8);
  }
  pollfd ended = {child->pidfd.get(), POLLIN, 0};
  EXPECT_EQ(poll(&ended, 1, 0), 0);
  close(go[0]);
  close(go[1]);
  EXPECT_EQ(poll(&ended, 1, 20'000), 1);
  EXPECT_EQ(ExitStatusOf(child->pid), 7);
}

TEST_F(NamespacesTest, CgroupNamespaceIsEnteredApart) {
  const ino_t before = Namespace("self", "cgroup");
  const absl::StatusOr<ClonedProcess> child = CloneProcess();
  ASSERT_THAT(child, IsOk());
  if (child->pid == 0) {
    const bool entered = EnterCgroupNamespace().ok();
    _exit(entered && Namespace("self", "cgroup") != before ? 0 : 1);
  }
  EXPECT_EQ(ExitStatusOf(child->pid), 0);
  EXPECT_EQ(Namespace("self", "cgroup"), before);
}

}  // namespace
}  // namespace innkeeper
