#include "cli/filter.h"

#include "absl/status/status.h"
#include "base/testing/status_matchers.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

TEST(FilterTest, ValueStaysOneStringWhateverItHolds) {
  EXPECT_EQ(FilterTerm("owner", "user/alice"), R"(owner = "user/alice")");
  EXPECT_EQ(FilterTerm("owner", R"(x" OR name != ")"),
            R"(owner = "x\" OR name != \"")");
  EXPECT_EQ(QuoteForFilter(R"(back\)"), R"("back\\")");
}

TEST(FilterTest, TermsAreAddedToTheUsersFilter) {
  EXPECT_THAT(AndFilter("", {}), IsOkAndHolds(""));
  EXPECT_THAT(AndFilter("state = RUNNING", {}),
              IsOkAndHolds("state = RUNNING"));
  EXPECT_THAT(AndFilter("", {"a = 1", "b = 2"}),
              IsOkAndHolds("a = 1 AND b = 2"));
  EXPECT_THAT(AndFilter("x = 1 OR y = 2", {"a = 1"}),
              IsOkAndHolds("(x = 1 OR y = 2) AND a = 1"));
  EXPECT_THAT(AndFilter(R"(x = ")\"(")", {"a = 1"}),
              IsOkAndHolds(R"((x = ")\"(") AND a = 1)"));
}

TEST(FilterTest, FilterThatWouldRunIntoTheTermsIsRefused) {
  for (const char* filter :
       {"a = 1) OR (b = 2", "(a = 1", "a = \"x", "a = 'x", "a = \"x\\\""}) {
    EXPECT_THAT(AndFilter(filter, {"owner = \"user/a\""}),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << filter;
  }
}

}  // namespace
}  // namespace innkeeper
