#include "base/uuid.h"

#include "gtest/gtest.h"

namespace innkeeper {
namespace {

TEST(UuidTest, MadeOnesAreValidVersion4AndDiffer) {
  const std::string first = MakeUuid();

  EXPECT_TRUE(IsUuid(first)) << first;
  EXPECT_EQ(first[14], '4');
  EXPECT_NE(first, MakeUuid());
}

TEST(UuidTest, OtherShapesAreRefused) {
  EXPECT_FALSE(IsUuid(""));
  EXPECT_FALSE(IsUuid("3F2504E0-4F89-41D3-9A0C-0305E82C3301"));
  EXPECT_FALSE(IsUuid("3f2504e04f8941d39a0c0305e82c3301"));
  EXPECT_FALSE(IsUuid("3f2504e0-4f89-41d3-9a0c-0305e82c330g"));
}

}  // namespace
}  // namespace innkeeper
