#include "rpc/pace.h"

#include <memory>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "rpc/token_bucket.h"

namespace innkeeper {
namespace {

constexpr absl::Time kStart = absl::UnixEpoch();

class PaceTest : public testing::Test {
 protected:
  const std::shared_ptr<TokenBucket> bucket_ =
      std::make_shared<TokenBucket>(1000, 500);
};

TEST_F(PaceTest, AConnectionsOwnBytesAreTakenFirst) {
  Pace pace(bucket_, 200);
  EXPECT_EQ(pace.Available(kStart), 700);

  pace.Take(150);
  EXPECT_EQ(bucket_->Available(kStart), 500);
  pace.Take(150);
  EXPECT_EQ(bucket_->Available(kStart), 400);
  EXPECT_EQ(pace.Available(kStart), 400);
}

TEST_F(PaceTest, AnEmptyBucketDoesNotDelayOwnBytes) {
  bucket_->Available(kStart);
  bucket_->Take(500);
  Pace pace(bucket_, 200);
  EXPECT_EQ(pace.Available(kStart), 200);
  EXPECT_EQ(pace.UntilAvailable(200), absl::ZeroDuration());
  EXPECT_GT(pace.UntilAvailable(201), absl::ZeroDuration());
}

TEST_F(PaceTest, TwoConnectionsSendNoMoreThanOne) {
  Pace first(bucket_, 0);
  Pace second(bucket_, 0);
  EXPECT_EQ(first.Available(kStart), 500);
  first.Take(500);
  EXPECT_EQ(second.Available(kStart), 0);
  EXPECT_EQ(second.Available(kStart + absl::Milliseconds(100)), 100);
}

TEST_F(PaceTest, AnotherBucketCountsFromNowOn) {
  Pace pace(bucket_, 0);
  pace.Take(500);
  pace.Share(std::make_shared<TokenBucket>(1000, 300));
  EXPECT_EQ(pace.Available(kStart), 300);
}

TEST_F(PaceTest, ACallGivesBackWhatItTookButNoMoreThanFits) {
  Pace pace(bucket_, 0);
  EXPECT_EQ(pace.Available(kStart), 500);
  pace.OnCall();
  EXPECT_EQ(pace.Available(kStart), 500);
  pace.Take(200);
  pace.OnCall();
  EXPECT_EQ(pace.Available(kStart), 300 + Pace::kCallBytes);
}

TEST_F(PaceTest, UnlimitedIsNeverEmptyAndTakesFromNobody) {
  Pace pace(bucket_, 0);
  pace.SetUnlimited();
  pace.Take(1 << 30);
  EXPECT_GT(pace.Available(kStart), 1 << 30);
  EXPECT_EQ(pace.UntilAvailable(1 << 30), absl::ZeroDuration());
  EXPECT_EQ(bucket_->Available(kStart), 500);
}

}  // namespace
}  // namespace innkeeper
