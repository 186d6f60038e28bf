#include "cli/output/table.h"

#include <string>

#include "gtest/gtest.h"

namespace innkeeper {
namespace {

TEST(TableTest, ColumnsLineUp) {
  Table table({"NAME", "OWNER", "STATE"}, false);
  table.Add({"web", "user/tenant-a", {"RUNNING", Colour::kGood}});
  table.Add({"database", "", "STOPPED"});
  table.Add({"\xe5\xae\xbf", "user/b", "FAILED"});
  EXPECT_EQ(table.Render(),
            "NAME      OWNER          STATE\n"
            "web       user/tenant-a  RUNNING\n"
            "database  -              STOPPED\n"
            "\xe5\xae\xbf        user/b         FAILED\n");
}

TEST(TableTest, RowsThatComeLaterKeepTheirColumns) {
  Table table({"A", "B"}, false);
  table.Add({"longer", "1"});
  EXPECT_EQ(table.Render(), "A       B\nlonger  1\n");
  table.Add({"x", "2"});
  EXPECT_EQ(table.Render(), "x       2\n");
}

TEST(TableTest, EscapeSequencesInACellAreShownAndNotObeyed) {
  Table table({"NAME", "B"}, true);
  table.Add({{"\x1b[2J\n", Colour::kBad}, "x"});
  EXPECT_EQ(table.Render(),
            "NAME       B\n"
            "\x1b[31m\\x1b[2J\\n\x1b[0m  x\n");
}

TEST(TableTest, ColoursStayAwayUnlessAllowed) {
  EXPECT_EQ(Coloured("ok", Colour::kGood, false), "ok");
  EXPECT_EQ(Coloured("ok", Colour::kGood, true), "\x1b[32mok\x1b[0m");
}

}  // namespace
}  // namespace innkeeper
