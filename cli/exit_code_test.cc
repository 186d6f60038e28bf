#include "cli/exit_code.h"

#include <iterator>

#include "absl/status/status.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

TEST(ExitCodeTest, EveryCodeOfGrpcHasItsExitCode) {
  const struct {
    absl::StatusCode code;
    int exit;
  } kTable[] = {
      {absl::StatusCode::kOk, 0},
      {absl::StatusCode::kCancelled, 1},
      {absl::StatusCode::kUnknown, 1},
      {absl::StatusCode::kInvalidArgument, 2},
      {absl::StatusCode::kDeadlineExceeded, 6},
      {absl::StatusCode::kNotFound, 4},
      {absl::StatusCode::kAlreadyExists, 7},
      {absl::StatusCode::kPermissionDenied, 5},
      {absl::StatusCode::kResourceExhausted, 1},
      {absl::StatusCode::kFailedPrecondition, 7},
      {absl::StatusCode::kAborted, 7},
      {absl::StatusCode::kOutOfRange, 1},
      {absl::StatusCode::kUnimplemented, 1},
      {absl::StatusCode::kInternal, 1},
      {absl::StatusCode::kUnavailable, 3},
      {absl::StatusCode::kDataLoss, 1},
      {absl::StatusCode::kUnauthenticated, 5},
  };
  ASSERT_EQ(std::size(kTable), 17u);
  for (int code = 0; code < 17; ++code) {
    EXPECT_EQ(static_cast<int>(ExitCodeOf(kTable[code].code)),
              kTable[code].exit)
        << kTable[code].code;
  }
}

TEST(ExitCodeTest, CodeThatDoesNotExistYetIsAFailure) {
  EXPECT_EQ(ExitCodeOf(static_cast<absl::StatusCode>(77)), ExitCode::kFailed);
}

}  // namespace
}  // namespace innkeeper
