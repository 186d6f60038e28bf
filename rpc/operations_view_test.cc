#include "rpc/operations_view.h"

#include <string>

#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gtest/gtest.h"
#include "innkeeper/v1/guests.pb.h"
#include "rpc/filter.h"

namespace innkeeper {
namespace {

constexpr char kId[] = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";

TEST(OperationsViewTest, NamesAreReadAndMade) {
  EXPECT_THAT(ParseOperationName(ToOperationName(kId)), IsOkAndHolds(kId));
  for (const char* name :
       {"", "operations/", "operations/x", kId,
        "operations/3f2504e0-4f89-41d3-9a0c-0305e82c3301/"}) {
    EXPECT_THAT(ParseOperationName(name), HasReason(reason::kInvalidRequest))
        << name;
  }
}

TEST(OperationsViewTest, FiltersSeeTheMetadata) {
  google::longrunning::Operation operation;
  operation.set_name(ToOperationName(kId));
  v1::GuestOperationMetadata metadata;
  metadata.set_verb("launch");
  metadata.set_guest("guests/web");
  metadata.mutable_create_time()->set_seconds(1700000000);
  operation.mutable_metadata()->PackFrom(metadata);
  const OperationFields fields(operation);
  const auto matches = [&](const char* text) {
    return Filter::Parse(text, OperationSchema())->Matches(fields);
  };
  EXPECT_TRUE(matches("done = false AND verb = launch"));
  EXPECT_TRUE(
      matches("guest = guests/* AND create_time > "
              "2020-01-01T00:00:00Z"));
  EXPECT_FALSE(matches("end_time:*"));
  EXPECT_FALSE(matches("host:*"));
}

TEST(OperationsViewTest, WaitEndsBeforeTheCallDoes) {
  const absl::Time now = absl::FromUnixSeconds(1800000000);
  google::longrunning::WaitOperationRequest request;
  EXPECT_EQ(WaitTime(request, now, now + absl::Seconds(10)),
            absl::Milliseconds(9500));
  request.mutable_timeout()->set_seconds(2);
  EXPECT_EQ(WaitTime(request, now, now + absl::Seconds(10)), absl::Seconds(2));
  EXPECT_EQ(WaitTime(request, now, now), absl::ZeroDuration());
}

}  // namespace
}  // namespace innkeeper
