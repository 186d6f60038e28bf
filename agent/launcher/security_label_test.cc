#include "agent/launcher/security_label.h"

#include <unistd.h>

#include <set>
#include <string>

#include "base/testing/status_matchers.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

TEST(SecurityLabelTest, UniqueLabelsAddTwoCategoriesToTheBase) {
  EXPECT_EQ(UniqueSelinuxLabel("u:r:t:s0", 0), "u:r:t:s0:c0,c1");
  EXPECT_EQ(UniqueSelinuxLabel("u:r:t", 2), "u:r:t:s0:c0,c2");
  EXPECT_EQ(UniqueSelinuxLabel("u:r:t:s0", 2 * 1022), "u:r:t:s0:c0,c1023");
  EXPECT_EQ(UniqueSelinuxLabel("u:r:t:s0", 2 * 1023), "u:r:t:s0:c1,c2");
  EXPECT_EQ(UniqueSelinuxLabel("u:r:t:s0", 2 * 523775), "u:r:t:s0:c1022,c1023");
}

TEST(SecurityLabelTest, GuestsOfAPoolShareNoLabel) {
  std::set<std::string> labels;
  for (uid_t uid = 1880000000; uid < 1880000000 + 4 * 65536; uid += 2) {
    EXPECT_TRUE(labels.insert(UniqueSelinuxLabel("u:r:t:s0", uid)).second);
  }
}

TEST(SecurityLabelTest, NoLabelNeedsNothingOfTheKernel) {
  EXPECT_THAT(SetExecLabels({}), IsOk());
  EXPECT_THAT(VerifyLabels(getpid(), {}), IsOk());
}

TEST(SecurityLabelTest, LabelThatAProcessDoesNotHaveIsNoticed) {
  EXPECT_FALSE(VerifyLabels(getpid(), {"other_u:other_r:other_t:s0", ""}).ok());
  EXPECT_FALSE(VerifyLabels(getpid(), {"", "other-profile"}).ok());
}

TEST(SecurityLabelTest, LabelThatCannotBeSetIsAnError) {
  if (SelinuxIsEnabled() || AppArmorIsEnabled()) {
    GTEST_SKIP() << "NOT RUN: this host has what the test needs to be absent";
  }
  EXPECT_FALSE(SetExecLabels({"u:r:t:s0", ""}).ok());
  EXPECT_FALSE(SetExecLabels({"", "innkeeper-guest"}).ok());
}

}  // namespace
}  // namespace innkeeper
