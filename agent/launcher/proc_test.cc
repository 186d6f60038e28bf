#include "agent/launcher/proc.h"

#include <sys/wait.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "base/testing/status_matchers.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

TEST(ProcTest, NameMayHoldWhatLooksLikeFields) {
  const auto stat = ParseProcStat(
      "7 (a) R 1 (b) Z 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20");

  ASSERT_THAT(stat, IsOk());
  EXPECT_EQ(stat->state, 'Z');
  EXPECT_EQ(stat->start_time_ticks, 4711u);
}

TEST(ProcTest, ShortTextIsRefused) {
  EXPECT_FALSE(ParseProcStat("").ok());
  EXPECT_FALSE(ParseProcStat("7 (a) R 1 2 3").ok());
}

TEST(ProcTest, ProcessIsKnownByPidAndStart) {
  const auto self = ReadProcStat("self");
  ASSERT_THAT(self, IsOk());

  EXPECT_TRUE(IsRunning(getpid(), self->start_time_ticks));
  EXPECT_FALSE(IsRunning(getpid(), self->start_time_ticks + 1));
}

TEST(ProcTest, ZombieDoesNotRun) {
  const pid_t child = fork();
  if (child == 0) _exit(0);
  siginfo_t info;
  ASSERT_EQ(waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT),
            0);
  const auto stat = ReadProcStat(absl::StrCat(child));
  ASSERT_THAT(stat, IsOk());

  EXPECT_FALSE(IsRunning(child, stat->start_time_ticks));
  waitpid(child, nullptr, 0);
  EXPECT_THAT(Inspect(child), StatusIs(absl::StatusCode::kNotFound));
}

TEST(ProcTest, InspectionShowsIdsAndNamespaces) {
  const auto self = Inspect(getpid());

  ASSERT_THAT(self, IsOk());
  EXPECT_EQ(self->uids[1], geteuid());
  for (const uint64_t inode : self->namespaces) EXPECT_NE(inode, 0u);
}

}  // namespace
}  // namespace innkeeper
