#include "cli/output/printable.h"

#include <string>

#include "absl/strings/string_view.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

TEST(PrintableTest, NothingThatSteersATerminalComesThrough) {
  const struct {
    std::string text;
    std::string shown;
  } kTable[] = {
      {"web-1", "web-1"},
      {"\x1b[2J\x1b[31mowned", "\\x1b[2J\\x1b[31mowned"},
      {"\x1b]0;title\a", "\\x1b]0;title\\x07"},
      {"a\r\nb\tc", "a\\r\\nb\\tc"},
      {"del\x7f", "del\\x7f"},
      {"csi\xc2\x9b"
       "2J",
       "csi\\u{9b}2J"},
      {"\xe2\x80\xae"
       "evil",
       "\\u{202e}evil"},
      {"\xe2\x81\xa6x", "\\u{2066}x"},
      {"zero\xe2\x80\x8bwidth", "zero\\u{200b}width"},
      {"\xff\xfe", "\\xff\\xfe"},
      {"\xc0\x80", "\\xc0\\x80"},
      {"\xed\xa0\x80", "\\xed\\xa0\\x80"},
      {"cut \xe2\x82", "cut \\xe2\\x82"},
      {"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
      {"\xe5\xae\xbf", "\xe5\xae\xbf"},
      {std::string("nul\0x", 5), "nul\\x00x"},
  };
  for (const auto& row : kTable) EXPECT_EQ(Printable(row.text), row.shown);
}

TEST(PrintableTest, LinesAreKeptWhereTheyAreWanted) {
  EXPECT_EQ(PrintableLines("one\ntwo\x1b[A\n"), "one\ntwo\\x1b[A\n");
}

TEST(PrintableTest, WidthCountsColumnsAndNotBytes) {
  EXPECT_EQ(DisplayWidth("web"), 3);
  EXPECT_EQ(DisplayWidth("gr\xc3\xbc\xc3\x9f"), 4);
  EXPECT_EQ(DisplayWidth("\xe5\xae\xbf\xe5\xae\xbf"), 4);
  EXPECT_EQ(DisplayWidth("e\xcc\x81"), 1);
}

}  // namespace
}  // namespace innkeeper
