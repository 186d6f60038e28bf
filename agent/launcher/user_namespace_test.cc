#include "agent/launcher/user_namespace.h"

#include <grp.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "absl/status/statusor.h"
#include "agent/launcher/credentials.h"
#include "base/testing/status_matchers.h"
#include "base/unique_fd.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

constexpr uid_t kUid = 1896000000;

Credentials Guest() {
  Credentials credentials;
  credentials.uid = credentials.gid = kUid;
  credentials.groups = {kUid + 5};
  return credentials;
}

// What `run` returns in a child that is in a user namespace of Guest().
int InNamespace(const std::function<int()>& run) {
  const absl::StatusOr<UniqueFd> made = MakeUserNamespace(Guest());
  EXPECT_THAT(made, IsOk());
  if (!made.ok()) return -1;
  const pid_t child = fork();
  if (child == 0) {
    _exit(EnterUserNamespace(made->get()).ok() ? run() : 100);
  }
  int status = -1;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(UserNamespaceTest, GuestsIdsCanBeTaken) {
  EXPECT_EQ(InNamespace([] { return DropTo(Guest()).ok() ? 0 : 1; }), 0);
}

TEST(UserNamespaceTest, NobodyElsesIdsCanBeTaken) {
  EXPECT_EQ(InNamespace([] { return setresuid(0, 0, 0) == 0 ? 1 : 0; }), 0);
  EXPECT_EQ(InNamespace([] { return setuid(kUid + 1) == 0 ? 1 : 0; }), 0);
  EXPECT_EQ(InNamespace([] {
              const gid_t other = kUid + 1;
              return setgroups(1, &other) == 0 ? 1 : 0;
            }),
            0);
}

TEST(UserNamespaceTest, CapabilitiesAreNoLongerTheHosts) {
  EXPECT_EQ(InNamespace([] { return sethostname("x", 1) == 0 ? 1 : 0; }), 0);
  EXPECT_EQ(InNamespace([] { return chroot("/") == 0 ? 0 : 1; }), 0);
}

TEST(UserNamespaceTest, MakingOneLeavesNoChild) {
  ASSERT_THAT(MakeUserNamespace(Guest()), IsOk());

  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
}

}  // namespace
}  // namespace innkeeper
