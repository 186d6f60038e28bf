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
  const ino_t mnt = Namespace("self", "mnt");
  const ino_t ipc = Namespace("self", "ipc");
  const ino_t uts = Namespace("self", "uts");
  const ino_t net = Namespace("self", "net");
  const ino_t pid_for_children = Namespace("self", "pid");
  const absl::StatusOr<ClonedProcess> child = CloneIntoNamespaces(UniqueFd());
  ASSERT_THAT(child, IsOk());
  if (child->pid == 0) {
    // Each fault a bit. /proc is the host's still: "self" would be nobody.
    int faults = getpid() == 1 ? 0 : 1;
    const char* const self = "thread-self";
    faults |= Namespace(self, "mnt") == mnt ? 2 : 0;
    faults |= Namespace(self, "ipc") == ipc ? 4 : 0;
    faults |= Namespace(self, "uts") == uts ? 8 : 0;
    faults |= Namespace(self, "net") == net ? 16 : 0;
    faults |= Namespace(self, "pid") == pid_for_children ? 32 : 0;
    _exit(faults);
  }
  EXPECT_GT(child->pid, 0);
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
