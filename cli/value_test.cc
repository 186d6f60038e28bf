#include "cli/value.h"

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using ::testing::HasSubstr;

TEST(ValueTest, MemoryIsReadInPowersOf1024) {
  EXPECT_THAT(ParseBytes("512M"), IsOkAndHolds(int64_t{512} << 20));
  EXPECT_THAT(ParseBytes("2g"), IsOkAndHolds(int64_t{2} << 30));
  EXPECT_THAT(ParseBytes("1GiB"), IsOkAndHolds(int64_t{1} << 30));
  EXPECT_THAT(ParseBytes("64MB"), IsOkAndHolds(int64_t{64} << 20));
}

TEST(ValueTest, MemoryThatCouldMeanAnythingIsRefused) {
  for (const char* text : {"", "512", "M", "-1M", "1.5G", "1X", "1Mx",
                           "99999999999T", "0x10M", "1 M"}) {
    EXPECT_THAT(ParseBytes(text), StatusIs(absl::StatusCode::kInvalidArgument))
        << text;
  }
}

TEST(ValueTest, SpansAreReadWithAndWithoutUnit) {
  EXPECT_THAT(ParseSpan("90"), IsOkAndHolds(absl::Seconds(90)));
  EXPECT_THAT(ParseSpan("1h30m"), IsOkAndHolds(absl::Minutes(90)));
  for (const char* text : {"", "0", "-5s", "soon", "inf"}) {
    EXPECT_THAT(ParseSpan(text), StatusIs(absl::StatusCode::kInvalidArgument))
        << text;
  }
}

TEST(ValueTest, LabelsAreKeysAndValues) {
  EXPECT_THAT(ParseLabels({"tier=web", "empty=", "eq=a=b"}),
              IsOkAndHolds(std::map<std::string, std::string>{
                  {"tier", "web"}, {"empty", ""}, {"eq", "a=b"}}));
  EXPECT_THAT(ParseLabels({"tier"}),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(ParseLabels({"=x"}),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(ParseLabels({"a=1", "a=2"}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("more than once")));
}

TEST(ValueTest, BytesAreShownShort) {
  EXPECT_EQ(FormatBytes(0), "0");
  EXPECT_EQ(FormatBytes(int64_t{512} << 20), "512M");
  EXPECT_EQ(FormatBytes(int64_t{4} << 30), "4G");
  EXPECT_EQ(FormatBytes(int64_t{1536} << 20), "1536M");
  EXPECT_EQ(FormatBytes((int64_t{16} << 30) + 4096), "16.0G");
}

TEST(ValueTest, AgesAreShownShort) {
  EXPECT_EQ(FormatAge(absl::Seconds(-3)), "0s");
  EXPECT_EQ(FormatAge(absl::Seconds(119)), "119s");
  EXPECT_EQ(FormatAge(absl::Minutes(3)), "3m");
  EXPECT_EQ(FormatAge(absl::Hours(30)), "30h");
  EXPECT_EQ(FormatAge(absl::Hours(24 * 9)), "9d");
}

}  // namespace
}  // namespace innkeeper
