#include "agent/launch/launch_doc.h"

#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "agent/launch/launch_steps.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using testing::HasSubstr;

TEST(LaunchDocTest, PageIsWhatTheTableOfStepsSays) {
  std::ifstream file("docs/launch.md");
  std::stringstream page;
  page << file.rdbuf();

  EXPECT_EQ(page.str(), LaunchDoc())
      << "bazel run //agent/launch:launch_doc_main > docs/launch.md";
}

TEST(LaunchDocTest, EveryStepIsOnThePage) {
  const std::string page = LaunchDoc();
  for (const LaunchStepInfo& info : kLaunchSteps) {
    EXPECT_THAT(page, HasSubstr(absl::StrCat("`", info.name, "`")));
  }
}

}  // namespace
}  // namespace innkeeper
