#include "base/log.h"

#include "gtest/gtest.h"

namespace innkeeper {
namespace {

TEST(LogTest, PlainValuesStandBare) {
  EXPECT_EQ(FormatLogLine(LogLevel::kInfo, "guest.started",
                          {{"guest", "web-1"}, {"pid", 17}}),
            "INFO guest.started guest=web-1 pid=17");
}

TEST(LogTest, HostileValueCannotForgeALineOrAKey) {
  EXPECT_EQ(
      FormatLogLine(LogLevel::kError, "e", {{"name", "x\nINFO root=1 \"y\""}}),
      "ERROR e name=\"x\\nINFO root=1 \\\"y\\\"\"");
}

}  // namespace
}  // namespace innkeeper
