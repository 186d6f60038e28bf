#include "auth/delegation.h"

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "auth/delegation.pb.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using absl::StatusCode;

constexpr char kUuid[] = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";

auth::v1::Delegation Good() {
  auth::v1::Delegation message;
  message.set_caller("user/alice");
  message.set_operation(kUuid);
  message.set_guest_uid(kUuid);
  message.set_fencing_number(7);
  message.set_deadline_unix_us(1800000000000000);
  return message;
}

TEST(DelegationTest, ReadsBackAsItWasWritten) {
  const Delegation delegation{*Principal::Parse("user/alice"), kUuid, kUuid, 7,
                              absl::FromUnixMicros(1800000000000001)};
  const auto parsed = ParseDelegation(SerializeDelegation(delegation));
  ASSERT_THAT(parsed, IsOk());
  EXPECT_EQ(parsed->caller, delegation.caller);
  EXPECT_EQ(parsed->operation, kUuid);
  EXPECT_EQ(parsed->guest_uid, kUuid);
  EXPECT_EQ(parsed->fencing_number, 7);
  EXPECT_EQ(parsed->deadline, delegation.deadline);
}

TEST(DelegationTest, WithoutADeadlineItNeverEnds) {
  const Delegation delegation{*Principal::Parse("service/ci"), "", "", 0,
                              absl::InfiniteFuture()};
  EXPECT_EQ(ParseDelegation(SerializeDelegation(delegation))->deadline,
            absl::InfiniteFuture());
}

TEST(DelegationTest, OneWrongFieldIsRefused) {
  ASSERT_THAT(ParseDelegation(Good().SerializeAsString()), IsOk());
  for (const std::string caller :
       {"", "alice", "host/h1", "server/s1", "gateway/g", "enrol/x", "user/*",
        "user/A", "local/h"}) {
    auth::v1::Delegation message = Good();
    message.set_caller(caller);
    EXPECT_THAT(ParseDelegation(message.SerializeAsString()),
                StatusIs(StatusCode::kPermissionDenied))
        << caller;
  }
  auth::v1::Delegation operation = Good();
  operation.set_operation("x");
  auth::v1::Delegation guest = Good();
  guest.set_guest_uid("../x");
  auth::v1::Delegation fencing = Good();
  fencing.set_fencing_number(-1);
  auth::v1::Delegation deadline = Good();
  deadline.set_deadline_unix_us(-1);
  for (const auto& message : {operation, guest, fencing, deadline}) {
    EXPECT_THAT(ParseDelegation(message.SerializeAsString()),
                HasReason(reason::kDelegationRefused));
  }
}

TEST(DelegationTest, AnythingButTheCanonicalFormIsRefused) {
  const std::string good = Good().SerializeAsString();
  // A second caller: protobuf itself would let the last one win.
  auth::v1::Delegation second;
  second.set_caller("user/bob");
  for (const std::string& bytes :
       {std::string(), std::string("\xff"), good.substr(0, good.size() - 1),
        good + second.SerializeAsString(), good + std::string("\x32\x01x", 3),
        second.SerializeAsString() + good, good + std::string(1, '\0'),
        std::string(2000, 'x')}) {
    EXPECT_THAT(ParseDelegation(bytes),
                StatusIs(StatusCode::kPermissionDenied));
  }
}

}  // namespace
}  // namespace innkeeper
