#include "rpc/bucket_table.h"

#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "rpc/token_bucket.h"

namespace innkeeper {
namespace {

constexpr absl::Time kStart = absl::UnixEpoch();

TEST(BucketTableTest, OneKeyHasOneBucketAndAnotherAnother) {
  BucketTable table;
  const auto first = table.Of("user/alice", kStart);
  EXPECT_EQ(table.Of("user/alice", kStart), first);
  EXPECT_NE(table.Of("user/bob", kStart), first);
}

TEST(BucketTableTest, WhoComesBackFindsWhatWasTaken) {
  BucketTable table;
  const TokenBucket* before = nullptr;
  {
    const auto bucket = table.Of("192.0.2.1", kStart);
    before = bucket.get();
    bucket->Available(kStart);
    bucket->Take(TokenBucket::kBurst);
  }
  // Many others do not make it forget.
  for (int i = 0; i < 1000; ++i) table.Of(absl::StrCat(i), kStart);

  const auto bucket = table.Of("192.0.2.1", kStart);
  EXPECT_EQ(bucket.get(), before);
  EXPECT_EQ(bucket->Available(kStart), 0);
}

TEST(BucketTableTest, ItDoesNotGrowWithThoseWhoHaveLeft) {
  BucketTable table;
  const auto held = table.Of("held", kStart);
  for (int i = 0; i < 100000; ++i) table.Of(absl::StrCat(i), kStart);
  EXPECT_LE(table.size(), 1024u);
  EXPECT_EQ(table.Of("held", kStart), held);
}

}  // namespace
}  // namespace innkeeper
