#include "agent/qmp/input_budget.h"

#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

TEST(InputBudgetTest, StartsFullAndRefillsAtItsRate) {
  InputBudget budget(/*burst=*/1000, /*per_second=*/100, absl::Seconds(5));
  EXPECT_EQ(budget.Available(absl::Seconds(5)), 1000);

  budget.Spend(1000);

  EXPECT_EQ(budget.Available(absl::Seconds(5)), 0);
  EXPECT_EQ(budget.TimeUntil(50), absl::Milliseconds(500));
  EXPECT_EQ(budget.Available(absl::Seconds(7)), 200);
  EXPECT_EQ(budget.TimeUntil(50), absl::ZeroDuration());
}

TEST(InputBudgetTest, NeverHoldsMoreThanItsBurst) {
  InputBudget budget(1000, 100, absl::ZeroDuration());
  budget.Spend(1);

  EXPECT_EQ(budget.Available(absl::Hours(1000000)), 1000);
  budget.Spend(1000);
  EXPECT_EQ(budget.TimeUntil(1000000), absl::Seconds(10));
}

TEST(InputBudgetTest, AskingOftenEarnsAsMuchAsAskingOnce) {
  InputBudget budget(1000, 100, absl::ZeroDuration());
  budget.Spend(1000);
  for (int i = 1; i <= 1000; ++i) budget.Available(absl::Milliseconds(i));

  EXPECT_GE(budget.Available(absl::Seconds(1)), 90);
}

}  // namespace
}  // namespace innkeeper
