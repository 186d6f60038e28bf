#include "rpc/text.h"

#include <string>

#include "gtest/gtest.h"

namespace innkeeper {
namespace {

TEST(TextTest, Utf8IsTold) {
  for (const char* good : {"", "plain", "\xc3\xa4", "\xe2\x82\xac",
                           "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(IsUtf8(good)) << good;
  }
  for (const char* bad :
       {"\x80", "\xc0\x80", "\xc3", "\xe0\x80\x80", "\xed\xa0\x80", "\xff",
        "\xf4\x90\x80\x80", "\xf0\x80\x80\x80", "a\xc3z", "\xe2\x82"}) {
    EXPECT_FALSE(IsUtf8(bad));
  }
}

TEST(TextTest, BadBytesAreReplaced) {
  EXPECT_EQ(CleanText("a\xff\xc3\xa4\xc3", 100), "a?\xc3\xa4?");
}

TEST(TextTest, CutTextIsMarkedAndWithinTheLimit) {
  EXPECT_EQ(CleanText("0123456789", 10), "0123456789");
  EXPECT_EQ(CleanText("0123456789", 9), "012345...");
  EXPECT_EQ(CleanText("0123456789", 2), "");
  EXPECT_EQ(CleanText("0123456789", 0), "");
  for (size_t limit = 0; limit < 40; ++limit) {
    const std::string cut = CleanText(
        "\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac", limit);
    EXPECT_LE(cut.size(), limit);
    EXPECT_TRUE(IsUtf8(cut));
  }
}

}  // namespace
}  // namespace innkeeper
