#include "rpc/status_map.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "google/rpc/error_details.pb.h"
#include "gtest/gtest.h"
#include "innkeeper/v1/error_reason.pb.h"

namespace innkeeper {
namespace {

using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

template <typename Detail>
bool Has(const google::rpc::Status& status) {
  return std::any_of(status.details().begin(), status.details().end(),
                     [](const auto& any) { return any.template Is<Detail>(); });
}

google::rpc::Status Details(const grpc::Status& status) {
  google::rpc::Status details;
  EXPECT_TRUE(details.ParseFromString(status.error_details()));
  return details;
}

// What the status takes up in trailing metadata, at worst.
size_t WireBytes(const grpc::Status& status) {
  size_t message = 0;
  for (const char c : status.error_message()) {
    message += c >= 0x20 && c < 0x7f && c != '%' ? 1 : 3;
  }
  return message + absl::Base64Escape(status.error_details()).size();
}

TEST(StatusMapTest, ReasonsAreThoseOfTheApi) {
  std::set<std::string> ours;
  for (const absl::string_view name : reason::kAll) {
    ours.insert(std::string(name));
  }
  std::set<std::string> theirs;
  const auto* reasons = v1::ErrorReason_descriptor();
  for (int i = 0; i < reasons->value_count(); ++i) {
    if (reasons->value(i)->number() == 0) continue;
    theirs.insert(reasons->value(i)->name());
  }
  EXPECT_EQ(ours, theirs);
}

TEST(StatusMapTest, WhatIsInAnErrorArrives) {
  const absl::Status sent =
      Error(absl::StatusCode::kFailedPrecondition, reason::kGuestNotRunning,
            "guest 'web' does not run")
          .With("guest", "web")
          .Field("name", "is wrong")
          .Precondition("GUEST_NOT_RUNNING", "guests/web", "it is STOPPED")
          .RetryAfter(absl::Milliseconds(1500));

  const absl::Status got = FromGrpcStatus(ToGrpcStatus(sent));

  EXPECT_EQ(got.code(), sent.code());
  EXPECT_EQ(got.message(), sent.message());
  const ErrorDetails details = DetailsOf(got);
  EXPECT_EQ(details.reason, "GUEST_NOT_RUNNING");
  EXPECT_THAT(details.metadata, UnorderedElementsAre(Pair("guest", "web")));
  ASSERT_EQ(details.fields.size(), 1u);
  EXPECT_EQ(details.fields[0].description, "is wrong");
  ASSERT_EQ(details.preconditions.size(), 1u);
  EXPECT_EQ(details.preconditions[0].subject, "guests/web");
  EXPECT_EQ(details.retry_after, absl::Milliseconds(1500));
}

TEST(StatusMapTest, ErrorWithoutAReasonLeavesAsInternal) {
  const grpc::Status status = ToGrpcStatus(absl::InvalidArgumentError("bad"));
  EXPECT_EQ(status.error_code(), grpc::INTERNAL);
  EXPECT_THAT(FromGrpcStatus(status), HasReason(reason::kInternal));
}

TEST(StatusMapTest, NotFoundNamesItsResource) {
  const google::rpc::Status details =
      Details(ToGrpcStatus(Error(absl::StatusCode::kNotFound,
                                 reason::kGuestNotFound, "no guest 'web'")
                               .With("guest", "web")));
  EXPECT_TRUE(Has<google::rpc::ResourceInfo>(details));
  EXPECT_TRUE(Has<google::rpc::ErrorInfo>(details));
  EXPECT_FALSE(Has<google::rpc::BadRequest>(details));
}

TEST(StatusMapTest, EverythingFitsTheMetadataOfACall) {
  for (const std::string& text :
       {std::string(9000, 'x'), std::string(9000, '\xff'),
        std::string(9000, '%')}) {
    Error error(absl::StatusCode::kInvalidArgument, reason::kInvalidRequest,
                text);
    for (int i = 0; i < 500; ++i) {
      error.Field(absl::StrCat("field", i), text);
      error.Precondition("A", absl::StrCat("s", i), text);
      error.With(absl::StrCat("key", i), text);
    }
    const grpc::Status status = ToGrpcStatus(error);
    EXPECT_LE(WireBytes(status), 7600u);
    EXPECT_THAT(FromGrpcStatus(status), HasReason(reason::kInvalidRequest));
  }
}

TEST(StatusMapTest, LongTextsAreCutBeforeFaultsAreDropped) {
  Error error(absl::StatusCode::kInvalidArgument, reason::kInvalidRequest, "m");
  for (int i = 0; i < 10; ++i) {
    error.Field(absl::StrCat("field", i), std::string(2000, 'x'));
  }
  const ErrorDetails details = DetailsOf(FromGrpcStatus(ToGrpcStatus(error)));
  ASSERT_EQ(details.fields.size(), 10u);
  EXPECT_THAT(details.fields[9].description, HasSubstr("..."));
}

TEST(StatusMapTest, DroppedFaultsAreCounted) {
  Error error(absl::StatusCode::kInvalidArgument, reason::kInvalidRequest, "m");
  for (int i = 0; i < 100; ++i) {
    error.Field(absl::StrCat("a.rather.long.path.to.field", i), "is required");
  }
  const ErrorDetails details = DetailsOf(FromGrpcStatus(ToGrpcStatus(error)));
  ASSERT_FALSE(details.fields.empty());
  EXPECT_THAT(details.fields.back().description, HasSubstr("more"));
}

TEST(StatusMapTest, ErrorOfAnOperationKeepsMore) {
  const std::string text(8000, 'x');
  const absl::Status got = FromRpcStatus(ToRpcStatus(Error(
      absl::StatusCode::kResourceExhausted, reason::kCapacityExhausted, text)));
  EXPECT_EQ(got.message(), text);
  EXPECT_THAT(got, HasReason(reason::kCapacityExhausted));
}

TEST(StatusMapTest, ForeignAndBrokenDetailsAreSurvived) {
  EXPECT_THAT(FromGrpcStatus(grpc::Status(grpc::UNAVAILABLE, "gone")),
              StatusIs(absl::StatusCode::kUnavailable, "gone"));
  EXPECT_THAT(
      FromGrpcStatus(grpc::Status(grpc::NOT_FOUND, "none", "\xff\x01garbage")),
      StatusIs(absl::StatusCode::kNotFound, "none"));
  google::rpc::Status odd;
  odd.set_code(4711);
  EXPECT_THAT(FromRpcStatus(odd), StatusIs(absl::StatusCode::kUnknown));
  EXPECT_THAT(FromGrpcStatus(grpc::Status::OK), IsOk());
}

}  // namespace
}  // namespace innkeeper
