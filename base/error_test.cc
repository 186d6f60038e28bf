#include "base/error.h"

#include <cerrno>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::Pair;

TEST(ErrorTest, EveryPartComesBackInOrder) {
  const absl::Status status =
      Error(absl::StatusCode::kInvalidArgument, reason::kInvalidRequest,
            "two faults")
          .With("guest", "web")
          .Field("spec.vcpu_count", "must be at least 1")
          .Field("spec.memory_bytes", "must be at least 16 MiB")
          .Precondition("GUEST_BUSY", "guests/web", "it is starting")
          .RetryAfter(absl::Seconds(2));

  const ErrorDetails details = DetailsOf(status);

  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(details.reason, "INVALID_REQUEST");
  EXPECT_THAT(details.metadata, ElementsAre(Pair("guest", "web")));
  EXPECT_THAT(details.fields,
              ElementsAre(Field(&FieldViolation::field, "spec.vcpu_count"),
                          Field(&FieldViolation::field, "spec.memory_bytes")));
  ASSERT_EQ(details.preconditions.size(), 1u);
  EXPECT_EQ(details.preconditions[0].subject, "guests/web");
  EXPECT_EQ(details.retry_after, absl::Seconds(2));
}

TEST(ErrorTest, MakeStatusIsTheInverseOfDetailsOf) {
  const absl::Status status =
      Error(absl::StatusCode::kNotFound, reason::kGuestNotFound, "gone")
          .With("guest", "web");

  EXPECT_EQ(MakeStatus(status.code(), status.message(), DetailsOf(status)),
            status);
}

TEST(ErrorTest, AnnotationKeepsReasonAndCode) {
  const absl::Status status = Annotate(
      Error(absl::StatusCode::kNotFound, reason::kGuestNotFound, "gone"),
      "while looking");

  EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound,
                               HasSubstr("while looking: gone")));
  EXPECT_THAT(status, HasReason(reason::kGuestNotFound));
}

TEST(ErrorTest, ErrnoBecomesTheFittingCode) {
  EXPECT_THAT(ErrnoError(ENOENT, "open x"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("open x: ")));
  EXPECT_THAT(ErrnoError(EMFILE, "open x"),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(ErrnoError(EIO, "read x"), StatusIs(absl::StatusCode::kInternal));
}

}  // namespace
}  // namespace innkeeper
