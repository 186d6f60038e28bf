#include "agent/qmp/printable_text.h"

#include <string>

#include "gtest/gtest.h"

namespace innkeeper {
namespace {

TEST(PrintableTextTest, PlainTextAndUtf8PassUnchanged) {
  EXPECT_EQ(PrintableText("Device 'd\xc3\xa9' \xe2\x82\xac", 64),
            "Device 'd\xc3\xa9' \xe2\x82\xac");
}

TEST(PrintableTextTest, TerminalControlsBecomeQuestionMarks) {
  EXPECT_EQ(PrintableText("a\x1b[2J\n\x7f\xc2\x9b", 64), "a?[2J????");
}

TEST(PrintableTextTest, BytesThatAreNotUtf8BecomeQuestionMarks) {
  EXPECT_EQ(PrintableText("\xff", 64), "?");
  EXPECT_EQ(PrintableText("\xc0\xaf", 64), "??") << "overlong";
  EXPECT_EQ(PrintableText("\xed\xa0\x80", 64), "???") << "surrogate";
  EXPECT_EQ(PrintableText("\xf4\x90\x80\x80", 64), "????") << "too big";
  EXPECT_EQ(PrintableText("x\xe2\x82", 64), "x??") << "cut short";
}

TEST(PrintableTextTest, LongTextIsCutAtACharacterAndMarked) {
  EXPECT_EQ(PrintableText("abcdefgh", 8), "abcdefgh");
  EXPECT_EQ(PrintableText("abcdefghi", 8), "abcde...");
  EXPECT_EQ(PrintableText("abc\xe2\x82\xac\xe2\x82\xac", 8), "abc...");
}

}  // namespace
}  // namespace innkeeper
