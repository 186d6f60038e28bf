#include "cli/errors.h"

#include <string>

#include "absl/status/status.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/support/status.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::Not;

grpc::Status LaunchRefusal() {
  google::rpc::Status rpc;
  google::rpc::ErrorInfo info;
  info.set_reason("INVALID_REQUEST");
  info.set_domain("innkeeper.dev");
  (*info.mutable_metadata())["guest"] = "guests/web";
  rpc.add_details()->PackFrom(info);
  google::rpc::BadRequest request;
  auto* fault = request.add_field_violations();
  fault->set_field("guest.spec.vcpu_count");
  fault->set_description("must be 1 to 64, is 0");
  fault = request.add_field_violations();
  fault->set_field("guest_id");
  fault->set_description("is empty");
  rpc.add_details()->PackFrom(request);
  return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "two faults",
                      rpc.SerializeAsString());
}

TEST(ErrorsTest, EveryPartComesOffTheWire) {
  const absl::Status status = FromGrpc(LaunchRefusal());
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kInvalidArgument, "two faults"));
  const ErrorDetails details = DetailsOf(status);
  EXPECT_EQ(details.reason, "INVALID_REQUEST");
  EXPECT_EQ(details.metadata.at("guest"), "guests/web");
  EXPECT_THAT(
      details.fields,
      ElementsAre(Field(&FieldViolation::field, "guest.spec.vcpu_count"),
                  Field(&FieldViolation::field, "guest_id")));
}

TEST(ErrorsTest, DetailsThatDoNotParseLeaveCodeAndMessage) {
  EXPECT_THAT(FromGrpc(grpc::Status(grpc::StatusCode::NOT_FOUND, "gone",
                                    "\xff\xff not a message")),
              StatusIs(absl::StatusCode::kNotFound, "gone"));
  EXPECT_THAT(FromGrpc(grpc::Status::OK), IsOk());
}

TEST(ErrorsTest, EachViolationHasItsLineAndTheWayOutIsTold) {
  EXPECT_EQ(ErrorText("launch", FromGrpc(LaunchRefusal())),
            "inn: launch: two faults\n"
            "  guest.spec.vcpu_count: must be 1 to 64, is 0\n"
            "  guest_id: is empty\n"
            "reason: INVALID_REQUEST\n"
            "try: inn explain INVALID_REQUEST\n");
}

TEST(ErrorsTest, PreconditionsAreToldWithTheirSubject) {
  const absl::Status status =
      Error(absl::StatusCode::kFailedPrecondition, reason::kGuestNotStopped,
            "guest 'web' runs; try: inn stop web")
          .Precondition("GUEST_NOT_STOPPED", "guests/web", "is RUNNING");
  EXPECT_EQ(ErrorText("delete", status),
            "inn: delete: guest 'web' runs; try: inn stop web\n"
            "  guests/web: is RUNNING (GUEST_NOT_STOPPED)\n"
            "reason: GUEST_NOT_STOPPED\n");
}

TEST(ErrorsTest, UnreachableServiceSendsPeopleToTheDoctor) {
  EXPECT_THAT(ErrorText("list", absl::UnavailableError("connect refused")),
              HasSubstr("try: inn doctor\n"));
}

TEST(ErrorsTest, TextFromTheServiceCannotSteerTheTerminal) {
  const absl::Status status =
      Error(absl::StatusCode::kInternal, "BAD\x1b[0m", "x\x1b[2J\ninn: fine")
          .With("k", "v")
          .Field("f\x07", "d\r")
          .Precondition("t\n", "s\x1b", "d\x9b");
  const std::string text = ErrorText("show", status);
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  EXPECT_THAT(text, Not(HasSubstr("\ninn: fine")));
  EXPECT_THAT(text, Not(HasSubstr("\x07")));
  EXPECT_THAT(text, HasSubstr("x\\x1b[2J\\ninn: fine\n"));
}

}  // namespace
}  // namespace innkeeper
