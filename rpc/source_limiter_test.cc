#include "rpc/source_limiter.h"

#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace innkeeper {
namespace {

TEST(SourceLimiterTest, EachSourceHasItsOwnFill) {
  SourceLimiter limiter(2);
  std::vector<SourceLimiter::Slot> slots;
  for (const char* source : {"a", "a", "b", "b"}) {
    slots.push_back(limiter.Take(source));
    EXPECT_TRUE(slots.back().held());
  }
  EXPECT_FALSE(limiter.Take("a").held());
  slots.erase(slots.begin());
  EXPECT_TRUE(limiter.Take("a").held());
  EXPECT_FALSE(limiter.Take("b").held());
}

TEST(SourceLimiterTest, MovedSlotIsGivenBackOnce) {
  SourceLimiter limiter(1);
  SourceLimiter::Slot first = limiter.Take("a");
  SourceLimiter::Slot second = std::move(first);
  EXPECT_FALSE(first.held());
  EXPECT_FALSE(limiter.Take("a").held());
  second = SourceLimiter::Slot();
  EXPECT_TRUE(limiter.Take("a").held());
}

TEST(SourceLimiterTest, SlotOutlivesItsLimiter) {
  SourceLimiter::Slot slot;
  {
    SourceLimiter limiter(1);
    slot = limiter.Take("a");
  }
  EXPECT_TRUE(slot.held());
}

TEST(SourceLimiterTest, LimitOfNothingRefusesEverybody) {
  SourceLimiter limiter(0);
  EXPECT_FALSE(limiter.Take("a").held());
}

}  // namespace
}  // namespace innkeeper
