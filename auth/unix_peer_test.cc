#include "auth/unix_peer.h"

#include <sys/socket.h>
#include <unistd.h>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/testing/status_matchers.h"
#include "base/unique_fd.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using absl::StatusCode;

TEST(UnixPeerTest, TheKernelSaysWhoConnected) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  const UniqueFd a(ends[0]);
  const UniqueFd b(ends[1]);
  const auto identity = UnixPeerIdentity(a.get(), "h1", {});
  ASSERT_THAT(identity, IsOk());
  EXPECT_EQ(identity->principal.ToString(),
            absl::StrCat("local/h1/", getuid()));
  EXPECT_EQ(identity->host_admin, getuid() == 0);
  EXPECT_EQ(identity->fingerprint, "");
  EXPECT_EQ(identity->expire_time, absl::InfiniteFuture());
}

TEST(UnixPeerTest, WhatIsNoConnectedUnixSocketHasNoPeer) {
  const UniqueFd tcp(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const UniqueFd alone(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  for (const int fd : {tcp.get(), alone.get(), -1}) {
    EXPECT_THAT(UnixPeerIdentity(fd, "h1", {}),
                StatusIs(StatusCode::kInvalidArgument));
  }
}

TEST(UnixPeerTest, OnlyTheMapGivesAnAccountAName) {
  const LocalUsers users = *ParseLocalUsers({{1000, "user/alice"}});
  EXPECT_EQ(IdentityOfUid(1000, "h1", users)->principal.ToString(),
            "user/alice");
  EXPECT_EQ(IdentityOfUid(1001, "h1", users)->principal.ToString(),
            "local/h1/1001");
  EXPECT_FALSE(IdentityOfUid(1000, "h1", users)->host_admin);
}

TEST(UnixPeerTest, RootIsAdministratorUnderAnyName) {
  const LocalUsers users = *ParseLocalUsers({{0, "user/alice"}});
  EXPECT_TRUE(IdentityOfUid(0, "h1", users)->host_admin);
  EXPECT_TRUE(IdentityOfUid(0, "h1", {})->host_admin);
}

TEST(UnixPeerTest, TheMapTakesUsersOnlyAndNamesEachFault) {
  const auto users = ParseLocalUsers(
      {{1, "user/a"}, {2, "alice"}, {3, "server/s1"}, {4, "local/h1/0"}});
  ASSERT_THAT(users, StatusIs(StatusCode::kInvalidArgument));
  EXPECT_EQ(DetailsOf(users.status()).fields.size(), 3);
}

}  // namespace
}  // namespace innkeeper
