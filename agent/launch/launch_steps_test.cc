#include "agent/launch/launch_steps.h"

#include <set>
#include <string>

#include "gtest/gtest.h"

namespace innkeeper {
namespace {

TEST(LaunchStepsTest, TableIsInTheOrderOfTheEnum) {
  for (int i = 0; i < kLaunchStepCount; ++i) {
    EXPECT_EQ(static_cast<int>(kLaunchSteps[i].step), i)
        << kLaunchSteps[i].name;
  }
  EXPECT_EQ(static_cast<int>(LaunchStep::kRecordLaunched),
            kLaunchStepCount - 1);
}

TEST(LaunchStepsTest, EveryStepHasItsOwnNameAndSaysWhatAndWhy) {
  std::set<std::string> names;
  for (const LaunchStepInfo& info : kLaunchSteps) {
    EXPECT_TRUE(names.insert(info.name).second) << info.name;
    EXPECT_FALSE(std::string(info.what).empty()) << info.name;
    EXPECT_FALSE(std::string(info.why).empty()) << info.name;
  }
}

TEST(LaunchStepsTest, NothingIsMadeBeforeItIsWrittenDown) {
  EXPECT_LT(LaunchStep::kRecordIntent, LaunchStep::kMakeGuestDir);
  EXPECT_LT(LaunchStep::kRecordIntent, LaunchStep::kMakeCgroups);
  EXPECT_LT(LaunchStep::kRecordIntent, LaunchStep::kMakeTaps);
  EXPECT_LT(LaunchStep::kRecordIntent, LaunchStep::kClone);
}

TEST(LaunchStepsTest, UserNamespaceIsEnteredAfterAllThatNeedsTheHost) {
  for (const LaunchStep step :
       {LaunchStep::kMakeUserNamespace, LaunchStep::kEnterCgroups,
        LaunchStep::kEnterNetwork, LaunchStep::kNameHost,
        LaunchStep::kEnterRoot, LaunchStep::kLimitQemu,
        LaunchStep::kLabelQemu}) {
    EXPECT_LT(step, LaunchStep::kEnterUserNamespace);
  }
  EXPECT_LT(LaunchStep::kEnterUserNamespace, LaunchStep::kDropToQemu);
}

TEST(LaunchStepsTest, TablesDifferByTheStepsOfTheUserNamespace) {
  std::set<LaunchStep> more;
  for (const LaunchStepInfo& info : kLaunchSteps) {
    EXPECT_TRUE(IsTaken(info, true)) << info.name;
    if (!IsTaken(info, false)) more.insert(info.step);
  }
  EXPECT_EQ(more, (std::set<LaunchStep>{LaunchStep::kMakeUserNamespace,
                                        LaunchStep::kEnterUserNamespace}));
}

TEST(LaunchStepsTest, PrivilegeIsDroppedBeforeListenAndExec) {
  EXPECT_LT(LaunchStep::kLimitResources, LaunchStep::kDropToQemu);
  EXPECT_LT(LaunchStep::kEnterRoot, LaunchStep::kDropToQemu);
  EXPECT_LT(LaunchStep::kDropToQemu, LaunchStep::kListenForMonitors);
  EXPECT_LT(LaunchStep::kDropToQemu, LaunchStep::kExecQemu);
  EXPECT_LT(LaunchStep::kDropToKeeper, LaunchStep::kListenForConsole);
  EXPECT_LT(LaunchStep::kDropToKeeper, LaunchStep::kExecKeeper);
}

}  // namespace
}  // namespace innkeeper
