#include "cli/error_reference.h"

#include <optional>

#include "absl/strings/string_view.h"
#include "base/reason.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

TEST(ErrorReferenceTest, EveryReasonThatCodeGivesIsExplained) {
  for (const absl::string_view reason : reason::kAll) {
    const std::optional<absl::string_view> text = FindReasonText(reason);
    ASSERT_TRUE(text.has_value()) << reason;
    EXPECT_GT(text->size(), 10u) << reason;
    EXPECT_EQ(text->back(), '.') << reason;
  }
}

TEST(ErrorReferenceTest, CommentsOfSeveralLinesAreWhole) {
  EXPECT_EQ(FindReasonText("GUEST_NOT_STOPPED"),
            "The guest has to be STOPPED or FAILED for this. Stop it first.");
}

TEST(ErrorReferenceTest, NothingElseIsExplained) {
  EXPECT_EQ(FindReasonText("ERROR_REASON_UNSPECIFIED"), std::nullopt);
  EXPECT_EQ(FindReasonText("web"), std::nullopt);
}

}  // namespace
}  // namespace innkeeper
