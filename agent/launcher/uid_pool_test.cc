#include "agent/launcher/uid_pool.h"

#include <unistd.h>

#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

// No process has one of these.
constexpr uid_t kBase = 1895000000;

class UidPoolTest : public testing::Test {
 protected:
  UidPoolTest() : turn_(absl::StrCat(testing::TempDir(), "/uid-turn")) {
    unlink(turn_.c_str());
  }

  const std::string turn_;
};

TEST_F(UidPoolTest, PairsComeInTurnAndAFreedOneLast) {
  UidPool pool(kBase, 6, turn_);

  EXPECT_THAT(pool.Allocate({}), IsOkAndHolds(kBase));
  EXPECT_THAT(pool.Allocate({}), IsOkAndHolds(kBase + 2));
  EXPECT_THAT(pool.Allocate({}), IsOkAndHolds(kBase + 4));
  EXPECT_THAT(pool.Allocate({}), IsOkAndHolds(kBase));
}

TEST_F(UidPoolTest, TurnOutlivesThePool) {
  ASSERT_THAT(UidPool(kBase, 6, turn_).Allocate({}), IsOkAndHolds(kBase));

  EXPECT_THAT(UidPool(kBase, 6, turn_).Allocate({}), IsOkAndHolds(kBase + 2));
}

TEST_F(UidPoolTest, LivePairsArePassedOverUntilNoneIsLeft) {
  UidPool pool(kBase, 4, turn_);

  EXPECT_THAT(pool.Allocate({kBase}), IsOkAndHolds(kBase + 2));
  EXPECT_THAT(pool.Allocate({kBase, kBase + 2}),
              HasReason(reason::kUidPoolExhausted));
}

TEST_F(UidPoolTest, PairAcrossTwoOfThePoolsTakesBoth) {
  UidPool pool(kBase, 6, turn_);

  EXPECT_THAT(pool.Allocate({kBase + 1}), IsOkAndHolds(kBase + 4));
  EXPECT_THAT(pool.Allocate({kBase + 1, kBase + 4}),
              HasReason(reason::kUidPoolExhausted));
}

TEST_F(UidPoolTest, UidOfAProcessIsNotHandedOut) {
  // The test's own, as QEMU's and as the keeper's.
  const uid_t self = getuid();

  EXPECT_THAT(UidPool(self, 2, turn_).Allocate({}),
              HasReason(reason::kUidPoolExhausted));
  if (self > 0) {
    EXPECT_THAT(UidPool(self - 1, 2, turn_).Allocate({}),
                HasReason(reason::kUidPoolExhausted));
  }
}

TEST_F(UidPoolTest, ContainsWholePairsOnly) {
  const UidPool pool(kBase, 5, turn_);

  EXPECT_FALSE(pool.Contains(kBase - 1));
  EXPECT_TRUE(pool.Contains(kBase));
  EXPECT_TRUE(pool.Contains(kBase + 2));
  EXPECT_FALSE(pool.Contains(kBase + 3));
  EXPECT_FALSE(pool.Contains(0));
}

}  // namespace
}  // namespace innkeeper
