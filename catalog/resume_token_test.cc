#include "catalog/resume_token.h"

#include <string>

#include "absl/status/status.h"
#include "base/testing/status_matchers.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

TEST(ResumeTokenTest, PositionsComeBack) {
  const absl::StatusOr<Positions> positions = DecodePositions(EncodePositions(
      {{"hosts/a", {"17", 4000000000000}}, {"server", {"2", 0}}}));

  ASSERT_THAT(positions, IsOk());
  ASSERT_EQ(positions->size(), 2u);
  EXPECT_EQ(positions->at("hosts/a").epoch, "17");
  EXPECT_EQ(positions->at("hosts/a").sequence, 4000000000000);
}

TEST(ResumeTokenTest, LogThatWasNotBegunIsLeftOut) {
  const absl::StatusOr<Positions> positions = DecodePositions(
      EncodePositions({{"hosts/a", {"", 0}}, {"hosts/b", {"1", 7}}}));

  ASSERT_THAT(positions, IsOk());
  EXPECT_EQ(positions->count("hosts/a"), 0u);
  EXPECT_EQ(positions->at("hosts/b").sequence, 7);
}

TEST(ResumeTokenTest, AnythingElseIsRefused) {
  for (const std::string& token :
       {std::string("?"), std::string("AAAA"), std::string(100000, 'A')}) {
    EXPECT_THAT(DecodePositions(token),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << token.substr(0, 40);
  }
}

}  // namespace
}  // namespace innkeeper
