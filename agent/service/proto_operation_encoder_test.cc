#include "agent/service/proto_operation_encoder.h"

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "google/protobuf/any.pb.h"
#include "google/protobuf/empty.pb.h"
#include "google/rpc/status.pb.h"
#include "gtest/gtest.h"
#include "innkeeper/v1/guests.pb.h"
#include "rpc/status_map.h"

namespace innkeeper {
namespace {

template <typename Message>
Message Unpack(const std::string& bytes) {
  google::protobuf::Any any;
  Message message;
  EXPECT_TRUE(any.ParseFromString(bytes) && any.UnpackTo(&message));
  return message;
}

OperationFacts Facts() {
  OperationFacts facts;
  facts.verb = "launch";
  facts.guest = "guests/web";
  facts.guest_uid = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
  facts.caller = "user/op";
  facts.step = "accepted";
  facts.create_time = absl::FromUnixMicros(1'700'000'000'000'001);
  return facts;
}

TEST(ProtoOperationEncoderTest, RunningOperationHasNoEndTime) {
  const ProtoOperationEncoder encoder("hosts/h1");

  const auto metadata =
      Unpack<v1::GuestOperationMetadata>(encoder.Metadata(Facts()));

  EXPECT_EQ(metadata.verb(), "launch");
  EXPECT_EQ(metadata.guest(), "guests/web");
  EXPECT_EQ(metadata.host(), "hosts/h1");
  EXPECT_EQ(metadata.caller(), "user/op");
  EXPECT_EQ(metadata.step(), "accepted");
  EXPECT_FALSE(metadata.has_end_time());
}

TEST(ProtoOperationEncoderTest, FactsComeBackAsTheyWere) {
  const ProtoOperationEncoder encoder("hosts/h1");
  OperationFacts facts = Facts();
  for (const absl::Time end :
       {absl::InfiniteFuture(), facts.create_time + absl::Seconds(2)}) {
    facts.end_time = end;
    const OperationFacts again = encoder.ParseMetadata(encoder.Metadata(facts));
    EXPECT_EQ(again.verb, facts.verb);
    EXPECT_EQ(again.guest, facts.guest);
    EXPECT_EQ(again.guest_uid, facts.guest_uid);
    EXPECT_EQ(again.caller, facts.caller);
    EXPECT_EQ(again.step, facts.step);
    EXPECT_EQ(again.create_time, facts.create_time);
    EXPECT_EQ(again.end_time, facts.end_time);
  }
}

TEST(ProtoOperationEncoderTest, ForeignBytesAreNoFacts) {
  const ProtoOperationEncoder encoder("hosts/h1");
  for (const std::string& bytes :
       {std::string(), std::string("\xff\xff"), encoder.EmptyResult()}) {
    const OperationFacts facts = encoder.ParseMetadata(bytes);
    EXPECT_EQ(facts.verb, "");
    EXPECT_EQ(facts.end_time, absl::InfiniteFuture());
  }
}

TEST(ProtoOperationEncoderTest, ResultIsTheGuestOnItsHost) {
  GuestRecord record;
  record.id = "web";
  record.state = GuestState::kRunning;

  const auto guest =
      Unpack<v1::Guest>(ProtoOperationEncoder("hosts/h1").Result(record));

  EXPECT_EQ(guest.name(), "guests/web");
  EXPECT_EQ(guest.host(), "hosts/h1");
  EXPECT_EQ(guest.state(), v1::Guest::RUNNING);
}

TEST(ProtoOperationEncoderTest, EmptyResultIsAnEmptyMessage) {
  Unpack<google::protobuf::Empty>(
      ProtoOperationEncoder("hosts/h1").EmptyResult());
}

TEST(ProtoOperationEncoderTest, ErrorKeepsReasonAndFacts) {
  const absl::Status status =
      Error(absl::StatusCode::kInternal, reason::kGuestLaunchFailed, "no luck")
          .With("guest", "web");

  google::rpc::Status error;
  ASSERT_TRUE(
      error.ParseFromString(ProtoOperationEncoder("hosts/h1").Error(status)));

  const absl::Status back = FromRpcStatus(error);
  EXPECT_THAT(back, StatusIs(absl::StatusCode::kInternal, "no luck"));
  EXPECT_THAT(back, HasReason(reason::kGuestLaunchFailed));
  EXPECT_EQ(DetailsOf(back).metadata.at("guest"), "web");
}

}  // namespace
}  // namespace innkeeper
