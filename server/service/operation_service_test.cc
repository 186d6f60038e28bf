#include "server/service/operation_service.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "base/uuid.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/service/testing/test_cluster.h"

namespace innkeeper {
namespace {

using google::longrunning::ListOperationsRequest;
using google::longrunning::ListOperationsResponse;
using google::longrunning::Operation;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using Operations = google::longrunning::Operations::Stub;

class OperationServiceTest : public testing::Test {
 protected:
  // Records an operation that nobody runs.
  std::string Begin(const std::string& guest, const std::string& owner) {
    ClusterOperation operation;
    operation.name = absl::StrCat("operations/", MakeUuid());
    operation.method = "innkeeper.v1.Guests/StopGuest";
    operation.caller = owner;
    operation.owner = owner;
    operation.guest = guest;
    operation.guest_uid = MakeUuid();
    operation.host = "h1";
    operation.step = "recorded";
    EXPECT_THAT(cluster_.operations().Start(operation), IsOk());
    cluster_.clock().Advance(absl::Seconds(1));
    return operation.name;
  }
  template <typename Request>
  static Request Named(const std::string& name) {
    Request request;
    request.set_name(name);
    return request;
  }
  absl::StatusOr<Operation> Get(const std::string& caller,
                                const std::string& name) {
    return cluster_.Call(caller, &Operations::GetOperation,
                         Named<google::longrunning::GetOperationRequest>(name));
  }
  absl::StatusOr<ListOperationsResponse> List(
      const std::string& caller, const ListOperationsRequest& request) {
    return cluster_.Call(caller, &Operations::ListOperations, request);
  }
  static std::vector<std::string> NamesOf(
      const absl::StatusOr<ListOperationsResponse>& page) {
    EXPECT_THAT(page, IsOk());
    std::vector<std::string> names;
    if (!page.ok()) return names;
    for (const Operation& operation : page->operations()) {
      names.push_back(operation.name());
    }
    return names;
  }

  TestCluster cluster_;
};

TEST_F(OperationServiceTest, CallerWithoutARoleIsDenied) {
  const std::string name = Begin("web", "user/alice");

  EXPECT_THAT(Get("service/ci", name),
              AllOf(StatusIs(absl::StatusCode::kPermissionDenied),
                    HasReason(reason::kPermissionDenied)));
  EXPECT_THAT(List("service/ci", ListOperationsRequest()),
              StatusIs(absl::StatusCode::kPermissionDenied));
}

TEST_F(OperationServiceTest, ForeignOperationIsAbsentInTheSameWords) {
  const std::string foreign = Begin("web", "user/alice");
  const std::string absent = absl::StrCat("operations/", MakeUuid());

  const absl::Status first = Get("user/bob", foreign).status();
  const absl::Status second = Get("user/bob", absent).status();

  EXPECT_THAT(first, AllOf(StatusIs(absl::StatusCode::kNotFound),
                           HasReason(reason::kOperationNotFound)));
  EXPECT_THAT(second, HasReason(reason::kOperationNotFound));
  std::string expected(second.message());
  expected.replace(expected.find(absent.substr(11)), 36, foreign.substr(11));
  EXPECT_EQ(first.message(), expected);
  EXPECT_THAT(List("user/bob", ListOperationsRequest())->operations(),
              IsEmpty());
}

TEST_F(OperationServiceTest, MalformedNameIsAnInvalidArgument) {
  EXPECT_THAT(Get("user/op", "operations/../hosts/h1"),
              AllOf(StatusIs(absl::StatusCode::kInvalidArgument),
                    HasReason(reason::kInvalidRequest)));
}

TEST_F(OperationServiceTest, OwnerFindsItsOperation) {
  const std::string name = Begin("web", "user/alice");

  const auto operation = Get("user/alice", name);

  ASSERT_THAT(operation, IsOk());
  v1::GuestOperationMetadata metadata;
  ASSERT_TRUE(operation->metadata().UnpackTo(&metadata));
  EXPECT_EQ(metadata.step(), "recorded");
  EXPECT_EQ(metadata.host(), "hosts/h1");
  EXPECT_FALSE(metadata.has_end_time());
}

TEST_F(OperationServiceTest, ListIsTheNewestFirstAndGoesOnInPages) {
  const std::string first = Begin("a", "user/alice");
  Begin("b", "user/bob");
  const std::string second = Begin("c", "user/alice");
  const std::string third = Begin("d", "user/alice");
  ListOperationsRequest request;
  request.set_page_size(2);

  const auto page = List("user/alice", request);
  EXPECT_THAT(NamesOf(page), ElementsAre(third, second));
  request.set_page_token(page->next_page_token());
  Begin("e", "user/alice");
  const auto rest = List("user/alice", request);

  EXPECT_THAT(NamesOf(rest), ElementsAre(first));
  EXPECT_EQ(rest->next_page_token(), "");
}

TEST_F(OperationServiceTest, PageTokenIsForItsCallerAndItsRequest) {
  Begin("a", "user/alice");
  Begin("b", "user/alice");
  ListOperationsRequest request;
  request.set_page_size(1);
  const auto page = List("user/alice", request);
  ASSERT_THAT(page, IsOk());
  request.set_page_token(page->next_page_token());

  EXPECT_THAT(List("user/op", request),
              AllOf(StatusIs(absl::StatusCode::kInvalidArgument),
                    HasReason(reason::kInvalidPageToken)));
  request.set_filter("done = true");
  EXPECT_THAT(List("user/alice", request),
              HasReason(reason::kInvalidPageToken));
}

TEST_F(OperationServiceTest, ListIsFiltered) {
  const std::string web = Begin("web", "user/alice");
  const std::string db = Begin("db", "user/alice");
  ASSERT_THAT(cluster_.operations().Finish(db, ""), IsOk());
  ListOperationsRequest request;
  request.set_filter("done = false AND guest = \"guests/web\"");

  EXPECT_THAT(NamesOf(List("user/alice", request)), ElementsAre(web));
  request.set_filter("colour = 1");
  EXPECT_THAT(List("user/alice", request),
              AllOf(StatusIs(absl::StatusCode::kInvalidArgument),
                    HasReason(reason::kInvalidFilter)));
}

TEST_F(OperationServiceTest, WaitAnswersWhatIsNotDoneAfterItsTimeout) {
  auto request = Named<google::longrunning::WaitOperationRequest>(
      Begin("web", "user/alice"));
  request.mutable_timeout()->set_nanos(1'000'000);

  const auto operation =
      cluster_.Call("user/alice", &Operations::WaitOperation, request);

  ASSERT_THAT(operation, IsOk());
  EXPECT_FALSE(operation->done());
}

TEST_F(OperationServiceTest, WaitAnswersOnceItIsDone) {
  const std::string name = Begin("web", "user/alice");
  const absl::Status failure =
      Error(absl::StatusCode::kFailedPrecondition, reason::kGuestNotRunning,
            "it is not running");
  ASSERT_THAT(cluster_.operations().Finish(name, failure), IsOk());

  const auto operation = cluster_.Wait(name);

  ASSERT_THAT(operation, IsOk());
  EXPECT_TRUE(operation->done());
  EXPECT_EQ(operation->error().code(),
            static_cast<int>(absl::StatusCode::kFailedPrecondition));
  v1::GuestOperationMetadata metadata;
  ASSERT_TRUE(operation->metadata().UnpackTo(&metadata));
  EXPECT_TRUE(metadata.has_end_time());
}

TEST_F(OperationServiceTest, ForeignOperationsAreNotCancelled) {
  const auto request = Named<google::longrunning::CancelOperationRequest>(
      Begin("web", "user/alice"));

  EXPECT_THAT(cluster_.Call("user/bob", &Operations::CancelOperation, request),
              HasReason(reason::kOperationNotFound));
  EXPECT_THAT(cluster_.h1().received("/CancelOperation"), IsEmpty());
}

TEST_F(OperationServiceTest, HostIsAskedToCancelForTheCaller) {
  const auto request = Named<google::longrunning::CancelOperationRequest>(
      Begin("web", "user/alice"));
  cluster_.h1().SetAnswer("/CancelOperation",
                          [](const FakeAgent::Received&) { return ""; });

  EXPECT_THAT(
      cluster_.Call("user/alice", &Operations::CancelOperation, request),
      IsOk());

  const std::vector<FakeAgent::Received> asked =
      cluster_.h1().received("/CancelOperation");
  ASSERT_THAT(asked, SizeIs(1));
  EXPECT_EQ(asked[0].request, request.SerializeAsString());
  ASSERT_TRUE(asked[0].delegation.has_value());
  EXPECT_EQ(asked[0].delegation->caller.ToString(), "user/alice");
}

TEST_F(OperationServiceTest, WhatTheHostSaysOfACancellationIsPassedOn) {
  const auto request = Named<google::longrunning::CancelOperationRequest>(
      Begin("web", "user/alice"));
  cluster_.h1().SetAnswer(
      "/CancelOperation",
      [](const FakeAgent::Received&) -> absl::StatusOr<std::string> {
        return Error(absl::StatusCode::kFailedPrecondition,
                     reason::kOperationNotCancellable, "too late")
            .Build();
      });

  EXPECT_THAT(
      cluster_.Call("user/alice", &Operations::CancelOperation, request),
      AllOf(StatusIs(absl::StatusCode::kFailedPrecondition,
                     HasSubstr("too late")),
            HasReason(reason::kOperationNotCancellable)));
}

TEST_F(OperationServiceTest, WhatNoHostHasTakenOnIsNotCancelled) {
  const auto request = Named<google::longrunning::CancelOperationRequest>(
      Begin("web", "user/alice"));
  cluster_.h1().SetAnswer(
      "/CancelOperation",
      [](const FakeAgent::Received&) -> absl::StatusOr<std::string> {
        return Error(absl::StatusCode::kNotFound, reason::kOperationNotFound,
                     "no such operation")
            .Build();
      });

  EXPECT_THAT(
      cluster_.Call("user/alice", &Operations::CancelOperation, request),
      AllOf(StatusIs(absl::StatusCode::kFailedPrecondition,
                     HasSubstr("not taken it on yet")),
            HasReason(reason::kOperationNotCancellable)));
}

TEST_F(OperationServiceTest, HostThatCannotBeAskedIsNamed) {
  const auto request = Named<google::longrunning::CancelOperationRequest>(
      Begin("web", "user/alice"));
  cluster_.h1().SetUnreachable(true);

  EXPECT_THAT(
      cluster_.Call("user/alice", &Operations::CancelOperation, request),
      AllOf(StatusIs(absl::StatusCode::kUnavailable, HasSubstr("h1")),
            HasReason(reason::kHostUnreachable)));
}

TEST_F(OperationServiceTest, EndedOperationsAreNotCancelled) {
  const std::string name = Begin("web", "user/alice");
  ASSERT_THAT(cluster_.operations().Finish(name, std::string(), Txn()), IsOk());

  EXPECT_THAT(
      cluster_.Call("user/alice", &Operations::CancelOperation,
                    Named<google::longrunning::CancelOperationRequest>(name)),
      AllOf(StatusIs(absl::StatusCode::kFailedPrecondition,
                     HasSubstr("has ended")),
            HasReason(reason::kOperationNotCancellable)));
  EXPECT_THAT(cluster_.h1().received("/CancelOperation"), IsEmpty());
}

TEST_F(OperationServiceTest, OperationsAreNotDeletedByHand) {
  const auto request = Named<google::longrunning::DeleteOperationRequest>(
      Begin("web", "user/alice"));

  EXPECT_THAT(
      cluster_.Call("user/alice", &Operations::DeleteOperation, request),
      AllOf(StatusIs(absl::StatusCode::kUnimplemented),
            HasReason(reason::kNotImplemented)));
  EXPECT_THAT(Get("user/alice", request.name()), IsOk());
}

}  // namespace
}  // namespace innkeeper
