#include "base/flag_arguments.h"

#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

ABSL_FLAG(std::string, test_file, "", "A name.");
ABSL_FLAG(bool, test_only_look, false, "A switch.");

namespace innkeeper {
namespace {

using testing::ElementsAre;
using testing::StrEq;

TEST(FlagArgumentsTest, DashesInTheNameOfAFlagBecomeUnderscores) {
  EXPECT_THAT(
      SpellFlags({"agent", "--check-config", "--state-dir=/a-b", "--a_b-c"}),
      ElementsAre("agent", "--check_config", "--state_dir=/a-b", "--a_b_c"));
}

TEST(FlagArgumentsTest, NothingButFlagsIsChanged) {
  EXPECT_THAT(SpellFlags({"/usr/bin/inn-agent", "--config", "h-1.conf", "-x-y",
                          "-", ""}),
              ElementsAre("/usr/bin/inn-agent", "--config", "h-1.conf", "-x-y",
                          "-", ""));
}

TEST(FlagArgumentsTest, WhatFollowsTwoDashesIsSomebodyElses) {
  EXPECT_THAT(SpellFlags({"launcher", "--run-dir=x", "--", "--check-config"}),
              ElementsAre("launcher", "--run_dir=x", "--", "--check-config"));
}

TEST(FlagArgumentsTest, NoArgumentsAtAllAreNone) {
  EXPECT_THAT(SpellFlags({}), ElementsAre());
}

TEST(FlagArgumentsTest, AbseilTakesThem) {
  FlagArguments arguments(
      {"program", "--test-file=a-b", "--test-only-look", "rest-of-it"});
  const std::vector<char*> rest =
      absl::ParseCommandLine(arguments.count(), arguments.values());

  EXPECT_EQ(absl::GetFlag(FLAGS_test_file), "a-b");
  EXPECT_TRUE(absl::GetFlag(FLAGS_test_only_look));
  EXPECT_THAT(rest, ElementsAre(StrEq("program"), StrEq("rest-of-it")));
}

TEST(FlagArgumentsTest, MainsArgumentsAreTakenWhole) {
  std::string texts[] = {"program", "--a-b"};
  char* argv[] = {texts[0].data(), texts[1].data(), nullptr};

  FlagArguments arguments(2, argv);

  ASSERT_EQ(arguments.count(), 2);
  EXPECT_STREQ(arguments.values()[1], "--a_b");
  EXPECT_EQ(arguments.values()[2], nullptr);
}

}  // namespace
}  // namespace innkeeper
