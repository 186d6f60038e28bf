#include "agent/launcher/scheduling.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "agent/launch/launch_context.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using testing::IsEmpty;
using testing::Not;

TEST(SchedulingTest, OwnProcessorsAreAListOfThem) {
  const auto cpus = ParseCpuList(OwnCpus());

  ASSERT_THAT(cpus, IsOk());
  EXPECT_THAT(*cpus, Not(IsEmpty()));
  cpu_set_t set;
  ASSERT_EQ(sched_getaffinity(0, sizeof(set), &set), 0);
  EXPECT_EQ(static_cast<int>(cpus->size()), CPU_COUNT(&set));
}

TEST(SchedulingTest, NiceAndProcessorsAreSet) {
  const int last = ParseCpuList(OwnCpus())->back();
  const pid_t child = fork();
  if (child == 0) {
    const bool good = Schedule(7, {last}).ok() &&
                      getpriority(PRIO_PROCESS, 0) == 7 &&
                      OwnCpus() == std::to_string(last);
    _exit(good ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(SchedulingTest, WhatIsThereAlreadyNeedsNoPrivilege) {
  const std::string before = OwnCpus();
  const int nice = getpriority(PRIO_PROCESS, 0);

  EXPECT_THAT(Schedule(nice, {}), IsOk());

  EXPECT_EQ(OwnCpus(), before);
  EXPECT_EQ(getpriority(PRIO_PROCESS, 0), nice);
}

TEST(SchedulingTest, ProcessorThatIsNotThereIsAnError) {
  EXPECT_FALSE(Schedule(0, {CPU_SETSIZE - 1}).ok());
}

}  // namespace
}  // namespace innkeeper
