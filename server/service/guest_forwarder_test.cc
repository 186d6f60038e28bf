#include "server/service/guest_forwarder.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "base/uuid.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "innkeeper/v1/guests.grpc.pb.h"
#include "server/service/guest_claims.h"
#include "server/service/testing/test_cluster.h"

namespace innkeeper {
namespace {

using google::longrunning::Operation;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using Guests = v1::Guests::Stub;

template <typename Request>
Request For(const std::string& name) {
  Request request;
  request.set_name(name);
  return request;
}

v1::GuestOperationMetadata MetadataOf(const Operation& operation) {
  v1::GuestOperationMetadata metadata;
  EXPECT_TRUE(operation.metadata().UnpackTo(&metadata));
  return metadata;
}

// guests/web of user/alice, on h1.
class GuestForwarderTest : public testing::Test {
 protected:
  GuestForwarderTest() {
    cluster_.h1().AddGuest(MakeTestGuest("web", 'a', "user/alice"));
    EXPECT_TRUE(cluster_.AwaitGuest("guests/web"));
  }
  absl::StatusOr<Operation> Stop(const std::string& caller,
                                 const v1::StopGuestRequest& request) {
    return cluster_.Call(caller, &Guests::StopGuest, request);
  }
  absl::StatusOr<Operation> Stop(const std::string& caller) {
    return Stop(caller, For<v1::StopGuestRequest>("guests/web"));
  }
  Operation GetOperation(const std::string& name) {
    google::longrunning::GetOperationRequest request;
    request.set_name(name);
    const auto operation = cluster_.Call(
        "user/root", &google::longrunning::Operations::Stub::GetOperation,
        request);
    EXPECT_THAT(operation, IsOk());
    return operation.ok() ? *operation : Operation();
  }

  TestCluster cluster_;
  const std::string uid_ = MakeTestGuest("web", 'a', "").uid();
};

TEST_F(GuestForwarderTest, NobodysVerbReachesAForeignGuestsHost) {
  for (const char* caller : {"user/bob", "user/watcher"}) {
    EXPECT_THAT(Stop(caller), AllOf(StatusIs(absl::StatusCode::kNotFound,
                                             "guest 'web' does not exist"),
                                    HasReason(reason::kGuestNotFound)))
        << caller;
  }
  EXPECT_THAT(Stop("service/ci"),
              StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_THAT(cluster_.h1().received("/StopGuest"), IsEmpty());
}

TEST_F(GuestForwarderTest, FaultsOfAVerbAreNamedAtOnce) {
  v1::StopGuestRequest request = For<v1::StopGuestRequest>("guests/web");
  request.mutable_grace_period()->set_seconds(4000);
  request.set_request_id("again");
  request.set_etag("\n");

  const absl::Status refused = Stop("user/alice", request).status();

  EXPECT_THAT(refused, AllOf(StatusIs(absl::StatusCode::kInvalidArgument),
                             HasReason(reason::kInvalidRequest)));
  EXPECT_THAT(DetailsOf(refused).fields, SizeIs(3));
  EXPECT_THAT(cluster_.h1().received("/StopGuest"), IsEmpty());
}

TEST_F(GuestForwarderTest, RefusalOfTheHostIsTheAnswerWithAllItsDetails) {
  cluster_.h1().SetAnswer(
      "/StopGuest",
      [](const FakeAgent::Received&) -> absl::StatusOr<std::string> {
        return Error(absl::StatusCode::kFailedPrecondition,
                     reason::kGuestNotRunning, "guest 'web' is not running")
            .With("guest", "guests/web")
            .Precondition(reason::kGuestNotRunning, "guests/web", "is STOPPED")
            .Build();
      });

  const absl::Status refused = Stop("user/alice").status();

  EXPECT_THAT(refused, AllOf(StatusIs(absl::StatusCode::kFailedPrecondition,
                                      "guest 'web' is not running"),
                             HasReason(reason::kGuestNotRunning)));
  ASSERT_THAT(DetailsOf(refused).preconditions, SizeIs(1));
  EXPECT_EQ(DetailsOf(refused).preconditions[0].description, "is STOPPED");
}

TEST_F(GuestForwarderTest, VerbOnAGuestOfAHostThatIsAwayIsUnavailable) {
  TestCluster::Options options;
  options.silence = absl::Seconds(1);
  TestCluster cluster(options);
  cluster.h1().AddGuest(MakeTestGuest("web", 'a', "user/alice"));
  ASSERT_TRUE(cluster.AwaitGuest("guests/web"));
  cluster.h1().SetUnreachable(true);
  ASSERT_TRUE(cluster.AwaitHost("h1", v1::Host::UNREACHABLE));

  EXPECT_THAT(cluster.Call("user/alice", &Guests::StopGuest,
                           For<v1::StopGuestRequest>("guests/web")),
              AllOf(StatusIs(absl::StatusCode::kUnavailable,
                             HasSubstr("host 'h1' does not answer")),
                    HasReason(reason::kHostUnreachable)));
  EXPECT_THAT(cluster.operations().Unfinished(), IsEmpty());
}

TEST_F(GuestForwarderTest, VerbIsDelegatedForItsCallerUnderItsOperation) {
  const auto operation = Stop("user/op");
  ASSERT_THAT(operation, IsOk());

  const auto calls = cluster_.h1().received("/StopGuest");
  ASSERT_THAT(calls, SizeIs(1));
  ASSERT_TRUE(calls[0].delegation.has_value());
  const Delegation& delegation = *calls[0].delegation;
  EXPECT_EQ(delegation.caller.ToString(), "user/op");
  EXPECT_EQ(delegation.guest_uid, uid_);
  EXPECT_EQ(delegation.operation,
            absl::StripPrefix(operation->name(), "operations/"));
  EXPECT_EQ(delegation.fencing_number,
            cluster_.inventory().FencingNumber("h1"));
  EXPECT_GT(calls[0].timeout, absl::ZeroDuration());
  EXPECT_LE(calls[0].timeout, absl::Minutes(1));
}

TEST_F(GuestForwarderTest, OperationsMetadataTellsWhoWhatAndWhere) {
  const auto operation = Stop("user/op");
  ASSERT_THAT(operation, IsOk());
  const auto done = cluster_.Wait(operation->name());
  ASSERT_THAT(done, IsOk());

  const v1::GuestOperationMetadata metadata = MetadataOf(*done);
  EXPECT_EQ(metadata.verb(), "stop");
  EXPECT_EQ(metadata.guest(), "guests/web");
  EXPECT_EQ(metadata.guest_uid(), uid_);
  EXPECT_EQ(metadata.host(), "hosts/h1");
  EXPECT_EQ(metadata.caller(), "user/op");
  EXPECT_EQ(metadata.step(), "done");
  EXPECT_TRUE(metadata.has_create_time());
  EXPECT_TRUE(metadata.has_end_time());
}

TEST_F(GuestForwarderTest, OperationShowsTheStepThatTheHostIsAt) {
  cluster_.h1().HoldOperations("waiting for the guest");

  const auto operation = Stop("user/alice");
  ASSERT_THAT(operation, IsOk());

  EXPECT_FALSE(operation->done());
  EXPECT_TRUE(cluster_.Await([&] {
    return MetadataOf(GetOperation(operation->name())).step() ==
           "waiting for the guest";
  }));
  cluster_.h1().ReleaseOperations();
  const auto done = cluster_.Wait(operation->name());
  ASSERT_THAT(done, IsOk());
  EXPECT_TRUE(done->done());
  EXPECT_EQ(MetadataOf(*done).step(), "done");
}

TEST_F(GuestForwarderTest, HostIsNotPolledWhileItsOperationRuns) {
  cluster_.h1().HoldOperations("waiting");
  const auto operation = Stop("user/alice");
  ASSERT_THAT(operation, IsOk());
  ASSERT_TRUE(cluster_.Await(
      [&] { return !cluster_.h1().received("/WaitOperation").empty(); }));

  for (int i = 0; i < 100; ++i) GetOperation(operation->name());

  EXPECT_THAT(cluster_.h1().received("/WaitOperation"), SizeIs(1));
  EXPECT_THAT(cluster_.h1().received("/GetOperation"), IsEmpty());
  cluster_.h1().ReleaseOperations();
  EXPECT_THAT(cluster_.Wait(operation->name()), IsOk());
}

TEST_F(GuestForwarderTest, FailureAtTheHostIsTheOperations) {
  cluster_.h1().HoldOperations("waiting");
  const auto operation = Stop("user/alice");
  ASSERT_THAT(operation, IsOk());
  cluster_.h1().ReleaseOperations(Error(absl::StatusCode::kDeadlineExceeded,
                                        reason::kGuestStopTimedOut,
                                        "guest 'web' did not stop; force it"));

  const auto done = cluster_.Wait(operation->name());

  ASSERT_THAT(done, IsOk());
  ASSERT_TRUE(done->has_error());
  EXPECT_THAT(FromRpcStatus(done->error()),
              AllOf(StatusIs(absl::StatusCode::kDeadlineExceeded,
                             "guest 'web' did not stop; force it"),
                    HasReason(reason::kGuestStopTimedOut)));
}

TEST_F(GuestForwarderTest, RepeatedRequestIdIsSentOnce) {
  v1::StopGuestRequest request = For<v1::StopGuestRequest>("guests/web");
  request.set_request_id(MakeUuid());

  const auto first = Stop("user/alice", request);
  const auto second = Stop("user/alice", request);
  request.set_force(true);
  const auto other = Stop("user/alice", request);

  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(second, IsOk());
  EXPECT_EQ(first->name(), second->name());
  EXPECT_THAT(other, AllOf(StatusIs(absl::StatusCode::kInvalidArgument),
                           HasReason(reason::kRequestIdReused)));
  EXPECT_THAT(cluster_.h1().received("/StopGuest"), SizeIs(1));
}

TEST_F(GuestForwarderTest, ServerThatRestartsAsksBeforeItActs) {
  cluster_.h1().HoldOperations("waiting");
  const auto operation = Stop("user/alice");
  ASSERT_THAT(operation, IsOk());

  cluster_.Restart();
  ASSERT_TRUE(cluster_.Await(
      [&] { return !cluster_.h1().received("/GetOperation").empty(); }));
  cluster_.h1().ReleaseOperations();
  const auto done = cluster_.Wait(operation->name());

  ASSERT_THAT(done, IsOk());
  EXPECT_TRUE(done->done());
  EXPECT_FALSE(done->has_error());
  EXPECT_THAT(cluster_.h1().received("/StopGuest"), SizeIs(1));
  google::longrunning::GetOperationRequest asked;
  ASSERT_TRUE(asked.ParseFromString(
      cluster_.h1().received("/GetOperation")[0].request));
  EXPECT_EQ(asked.name(), operation->name());
}

TEST_F(GuestForwarderTest, WhatTheHostWasNeverToldIsSentAfterARestart) {
  cluster_.h1().HoldOperations("waiting");
  const auto operation = Stop("user/alice");
  ASSERT_THAT(operation, IsOk());
  cluster_.Stop();
  cluster_.h1().ForgetOperations();
  cluster_.h1().ReleaseOperations();

  cluster_.Restart();
  const auto done = cluster_.Wait(operation->name());

  ASSERT_THAT(done, IsOk());
  EXPECT_FALSE(done->has_error());
  const auto calls = cluster_.h1().received("/StopGuest");
  ASSERT_THAT(calls, SizeIs(2));
  EXPECT_EQ(calls[0].delegation->operation, calls[1].delegation->operation);
  EXPECT_EQ(calls[0].request, calls[1].request);
}

TEST_F(GuestForwarderTest, LostAnswerIsAskedForAndNotSentAgain) {
  // The call is carried out, but nobody hears of it.
  cluster_.h1().SetAnswer(
      "/StopGuest",
      [](const FakeAgent::Received&) -> absl::StatusOr<std::string> {
        return absl::UnavailableError("the connection broke");
      });
  cluster_.h1().SetAnswer(
      "/GetOperation",
      [](const FakeAgent::Received& call) -> absl::StatusOr<std::string> {
        google::longrunning::GetOperationRequest request;
        if (!request.ParseFromString(call.request)) {
          return absl::InternalError("malformed");
        }
        Operation operation;
        operation.set_name(request.name());
        operation.set_done(true);
        operation.mutable_response()->PackFrom(
            MakeTestGuest("web", 'a', "user/alice"));
        return operation.SerializeAsString();
      });

  const auto operation = Stop("user/alice");
  ASSERT_THAT(operation, IsOk());
  const auto done = cluster_.Wait(operation->name());

  ASSERT_THAT(done, IsOk());
  EXPECT_TRUE(done->done());
  EXPECT_FALSE(done->has_error());
  EXPECT_THAT(cluster_.h1().received("/StopGuest"), SizeIs(1));
}

TEST_F(GuestForwarderTest, DeletedGuestsIdIsFreeAgain) {
  cluster_.MustLaunch("db", "user/alice");
  ASSERT_THAT(cluster_.claims().CheckFree("db"),
              StatusIs(absl::StatusCode::kAlreadyExists));

  const auto operation =
      cluster_.Call("user/alice", &Guests::DeleteGuest,
                    For<v1::DeleteGuestRequest>("guests/db"));
  ASSERT_THAT(operation, IsOk());
  ASSERT_THAT(cluster_.Wait(operation->name()), IsOk());

  EXPECT_TRUE(
      cluster_.Await([&] { return cluster_.claims().CheckFree("db").ok(); }));
  EXPECT_EQ(cluster_.MustLaunch("db", "user/bob").owner(), "user/bob");
}

TEST_F(GuestForwarderTest, StartAndRebootAreOperationsToo) {
  const auto started = cluster_.Call("user/alice", &Guests::StartGuest,
                                     For<v1::StartGuestRequest>("guests/web"));
  const auto rebooted =
      cluster_.Call("user/alice", &Guests::RebootGuest,
                    For<v1::RebootGuestRequest>("guests/web"));

  ASSERT_THAT(started, IsOk());
  ASSERT_THAT(rebooted, IsOk());
  EXPECT_EQ(MetadataOf(*started).verb(), "start");
  EXPECT_EQ(MetadataOf(*rebooted).verb(), "reboot");
  EXPECT_THAT(cluster_.h1().received("/StartGuest"), SizeIs(1));
  EXPECT_THAT(cluster_.h1().received("/RebootGuest"), SizeIs(1));
}

}  // namespace
}  // namespace innkeeper
