#include "rpc/token_bucket.h"

#include "gtest/gtest.h"

namespace innkeeper {
namespace {

constexpr absl::Time kStart = absl::UnixEpoch();

TEST(TokenBucketTest, StartsFullAndRefillsAtItsRate) {
  TokenBucket bucket(1000, 500);
  EXPECT_EQ(bucket.Available(kStart), 500);
  bucket.Take(500);
  EXPECT_EQ(bucket.Available(kStart), 0);
  EXPECT_EQ(bucket.Available(kStart + absl::Milliseconds(100)), 100);
  EXPECT_EQ(bucket.Available(kStart + absl::Seconds(100)), 500);
}

TEST(TokenBucketTest, ShortLooksLoseNoTime) {
  TokenBucket bucket(1000, 500);
  bucket.Available(kStart);
  bucket.Take(500);
  // 1,000 looks of 0.1 ms each, none of them worth a whole byte.
  int64_t available = 0;
  for (int i = 1; i <= 1000; ++i) {
    available = bucket.Available(kStart + i * absl::Microseconds(100));
  }
  EXPECT_EQ(available, 100);
}

TEST(TokenBucketTest, WaitIsAsLongAsItTakes) {
  TokenBucket bucket(1000, 500);
  bucket.Available(kStart);
  bucket.Take(500);
  const absl::Duration wait = bucket.UntilAvailable(200);
  EXPECT_GE(bucket.Available(kStart + wait), 200);
  EXPECT_LE(wait, absl::Milliseconds(201));
  // More than the burst never comes; it waits for the burst.
  EXPECT_LE(bucket.UntilAvailable(100000), absl::Milliseconds(501));
}

TEST(TokenBucketTest, WhatIsTakenTwiceIsWaitedForTwice) {
  TokenBucket bucket(1000, 500);
  bucket.Available(kStart);
  bucket.Take(500);
  bucket.Take(500);
  EXPECT_EQ(bucket.Available(kStart + absl::Milliseconds(400)), 0);
  EXPECT_EQ(bucket.Available(kStart + absl::Milliseconds(600)), 100);
}

TEST(TokenBucketTest, WhatIsGivenBackDoesNotOverflow) {
  TokenBucket bucket(1000, 500);
  EXPECT_TRUE(bucket.IsFull(kStart));
  bucket.Take(100);
  EXPECT_FALSE(bucket.IsFull(kStart));
  bucket.Give(60);
  EXPECT_EQ(bucket.Available(kStart), 460);
  bucket.Give(60);
  EXPECT_TRUE(bucket.IsFull(kStart));
}

}  // namespace
}  // namespace innkeeper
