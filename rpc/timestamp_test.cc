#include "rpc/timestamp.h"

#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

TEST(TimestampTest, SecondsAndNanosecondsAreKept) {
  const auto timestamp = ToTimestamp(absl::FromUnixSeconds(1700000000) +
                                     absl::Nanoseconds(123456789));
  EXPECT_EQ(timestamp.seconds(), 1700000000);
  EXPECT_EQ(timestamp.nanos(), 123456789);
}

TEST(TimestampTest, NanosecondsAreNeverNegative) {
  const auto timestamp =
      ToTimestamp(absl::UnixEpoch() - absl::Milliseconds(250));
  EXPECT_EQ(timestamp.seconds(), -1);
  EXPECT_EQ(timestamp.nanos(), 750000000);
}

TEST(TimestampTest, TimesBeyondTheReachOfNanosecondsAreKept) {
  EXPECT_EQ(ToTimestamp(absl::FromUnixSeconds(253402300799)).seconds(),
            253402300799);
}

}  // namespace
}  // namespace innkeeper
