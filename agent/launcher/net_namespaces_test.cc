#include "agent/launcher/net_namespaces.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "base/file.h"
#include "base/testing/status_matchers.h"
#include "base/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

ino_t InodeOf(int fd) {
  struct stat info = {};
  EXPECT_EQ(fstat(fd, &info), 0);
  return info.st_ino;
}

ino_t OwnInode() {
  struct stat info = {};
  EXPECT_EQ(stat("/proc/self/ns/net", &info), 0);
  return info.st_ino;
}

TEST(NetNamespacesTest, EveryOneIsAnotherAndNoneIsOurs) {
  NetNamespaces networks;
  const ino_t home = OwnInode();

  const absl::StatusOr<UniqueFd> first = networks.Take();
  networks.MakeAhead();
  networks.MakeAhead();
  const absl::StatusOr<UniqueFd> second = networks.Take();
  const absl::StatusOr<UniqueFd> third = networks.Take();

  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(second, IsOk());
  ASSERT_THAT(third, IsOk());
  EXPECT_NE(InodeOf(first->get()), InodeOf(second->get()));
  EXPECT_NE(InodeOf(second->get()), InodeOf(third->get()));
  EXPECT_NE(InodeOf(first->get()), InodeOf(third->get()));
  EXPECT_NE(InodeOf(first->get()), home);
  EXPECT_NE(InodeOf(second->get()), home);
  EXPECT_EQ(OwnInode(), home);
}

TEST(NetNamespacesTest, WhoeverEntersFindsTheLoopbackDownAndNothingElse) {
  NetNamespaces networks;
  networks.MakeAhead();
  const absl::StatusOr<UniqueFd> network = networks.Take();
  ASSERT_THAT(network, IsOk());
  int said[2];
  ASSERT_EQ(pipe(said), 0);

  const pid_t child = fork();
  if (child == 0) {
    const bool entered = EnterNetNamespace(network->get()).ok();
    const std::string interfaces =
        ReadFile("/proc/self/net/dev", 1 << 16).value_or("");
    const std::string routes =
        ReadFile("/proc/self/net/route", 1 << 16).value_or("?");
    const std::string text = interfaces + routes;
    if (write(said[1], text.data(), text.size()) < 0) _exit(1);
    _exit(entered ? 0 : 1);
  }
  close(said[1]);
  char text[4096] = {};
  EXPECT_GT(read(said[0], text, sizeof(text) - 1), 0);
  close(said[0]);
  int status = -1;
  EXPECT_EQ(waitpid(child, &status, 0), child);

  EXPECT_EQ(status, 0);
  // Two lines of headings, one of "lo", not one route.
  EXPECT_THAT(std::string(text), testing::HasSubstr("    lo:"));
  EXPECT_EQ(std::count(text, text + sizeof(text), '\n'), 3) << text;
}

TEST(NetNamespacesTest, WhatIsNoNamespaceIsNotEntered) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);

  EXPECT_FALSE(EnterNetNamespace(ends[0]).ok());

  close(ends[0]);
  close(ends[1]);
}

}  // namespace
}  // namespace innkeeper
