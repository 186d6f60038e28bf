#include "agent/service/operation_service.h"

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "agent/service/testing/test_agent.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "base/uuid.h"
#include "gmock/gmock.h"
#include "google/longrunning/operations.grpc.pb.h"
#include "gtest/gtest.h"
#include "innkeeper/v1/guests.grpc.pb.h"

namespace innkeeper {
namespace {

using google::longrunning::ListOperationsRequest;
using google::longrunning::ListOperationsResponse;
using google::longrunning::Operation;
using google::longrunning::Operations;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class OperationServiceTest : public testing::Test {
 protected:
  absl::StatusOr<Operation> Launch(const std::string& caller,
                                   const std::string& id,
                                   const std::string& owner) {
    return agent_.Call(caller, &v1::Guests::Stub::LaunchGuest,
                       TestAgent::MakeLaunch(id, owner));
  }
  absl::StatusOr<Operation> Stop(const std::string& id, bool force) {
    v1::StopGuestRequest request;
    request.set_name(absl::StrCat("guests/", id));
    request.set_force(force);
    return agent_.Call("user/op", &v1::Guests::Stub::StopGuest, request);
  }
  absl::StatusOr<Operation> Get(const std::string& caller,
                                const std::string& name) {
    google::longrunning::GetOperationRequest request;
    request.set_name(name);
    return agent_.Call(caller, &Operations::Stub::GetOperation, request);
  }
  absl::StatusOr<Operation> Wait(const std::string& caller,
                                 const std::string& name,
                                 absl::Duration timeout) {
    google::longrunning::WaitOperationRequest request;
    request.set_name(name);
    const int64_t nanos = absl::ToInt64Nanoseconds(timeout);
    request.mutable_timeout()->set_seconds(nanos / 1'000'000'000);
    request.mutable_timeout()->set_nanos(
        static_cast<int32_t>(nanos % 1'000'000'000));
    return agent_.Call(caller, &Operations::Stub::WaitOperation, request);
  }
  absl::Status Cancel(const std::string& caller, const std::string& name) {
    google::longrunning::CancelOperationRequest request;
    request.set_name(name);
    return agent_.Call(caller, &Operations::Stub::CancelOperation, request)
        .status();
  }
  absl::StatusOr<ListOperationsResponse> List(
      const std::string& caller, const ListOperationsRequest& request) {
    return agent_.Call(caller, &Operations::Stub::ListOperations, request);
  }
  std::vector<std::string> NamesOf(const std::string& caller,
                                   const std::string& filter = "") {
    ListOperationsRequest request;
    request.set_filter(filter);
    const absl::StatusOr<ListOperationsResponse> list = List(caller, request);
    EXPECT_THAT(list, IsOk());
    std::vector<std::string> names;
    if (!list.ok()) return names;
    for (const Operation& operation : list->operations()) {
      names.push_back(operation.name());
    }
    return names;
  }
  absl::StatusOr<v1::Guest> GetGuest(const std::string& id) {
    v1::GetGuestRequest request;
    request.set_name(absl::StrCat("guests/", id));
    return agent_.Call("user/op", &v1::Guests::Stub::GetGuest, request);
  }
  // The state that the list shows; UNSPECIFIED if it shows no such guest.
  v1::Guest::State ListedState(const std::string& id) {
    const auto list = agent_.Call("user/op", &v1::Guests::Stub::ListGuests,
                                  v1::ListGuestsRequest());
    EXPECT_THAT(list, IsOk());
    for (const v1::Guest& guest : list->guests()) {
      if (guest.name() == absl::StrCat("guests/", id)) return guest.state();
    }
    return v1::Guest::STATE_UNSPECIFIED;
  }

  TestAgent agent_;
};

TEST_F(OperationServiceTest, ForeignOperationIsAbsentInTheSameWordsAsNone) {
  const absl::StatusOr<Operation> mine = Launch("user/alice", "web", "");
  ASSERT_THAT(agent_.End(mine), IsOk());
  const std::string none = absl::StrCat("operations/", MakeUuid());

  for (const std::string& name : {mine->name(), none}) {
    const std::string words = absl::StrCat(
        "operation '", name.substr(name.find('/') + 1), "' does not exist");
    for (const absl::Status& status :
         {Get("user/bob", name).status(),
          Wait("user/bob", name, absl::ZeroDuration()).status(),
          Cancel("user/bob", name)}) {
      EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound, words));
      EXPECT_THAT(status, HasReason(reason::kOperationNotFound));
    }
  }
  EXPECT_THAT(Get("user/alice", mine->name()), IsOk());
}

TEST_F(OperationServiceTest, ListShowsExactlyWhatGetShows) {
  std::vector<std::string> all;
  for (const auto& [id, owner] :
       std::vector<std::pair<std::string, std::string>>{
           {"a", "user/alice"}, {"b", "user/bob"}, {"c", "user/alice"}}) {
    const absl::StatusOr<Operation> launch = Launch("user/op", id, owner);
    ASSERT_THAT(agent_.End(launch), IsOk());
    all.push_back(launch->name());
  }
  std::sort(all.begin(), all.end());

  for (const char* caller : {"user/alice", "user/bob", "user/carol", "user/op",
                             "user/watcher", "user/site", "server/s2"}) {
    std::vector<std::string> seen;
    for (const std::string& name : all) {
      if (Get(caller, name).ok()) seen.push_back(name);
    }
    EXPECT_THAT(NamesOf(caller), ElementsAreArray(seen)) << caller;
  }
  EXPECT_THAT(NamesOf("user/alice"), SizeIs(2));
  EXPECT_THAT(NamesOf("user/carol"), IsEmpty());
  // A viewer of this host.
  EXPECT_THAT(NamesOf("user/site"), SizeIs(3));
}

TEST_F(OperationServiceTest, PagesNeitherRepeatNorOmit) {
  std::vector<std::string> all;
  for (int i = 0; i < 7; ++i) {
    const absl::StatusOr<Operation> launch =
        Launch("user/op", absl::StrCat("g", i), "user/alice");
    ASSERT_THAT(agent_.End(launch), IsOk());
    all.push_back(launch->name());
    ASSERT_THAT(agent_.End(Launch("user/op", absl::StrCat("x", i), "user/bob")),
                IsOk());
  }
  std::sort(all.begin(), all.end());

  std::vector<std::string> paged;
  ListOperationsRequest request;
  request.set_page_size(3);
  do {
    const absl::StatusOr<ListOperationsResponse> page =
        List("user/alice", request);
    ASSERT_THAT(page, IsOk());
    EXPECT_LE(page->operations_size(), 3);
    for (const Operation& operation : page->operations()) {
      paged.push_back(operation.name());
    }
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  EXPECT_THAT(paged, ElementsAreArray(all));
}

TEST_F(OperationServiceTest, ListIsFiltered) {
  ASSERT_THAT(agent_.End(Launch("user/op", "web", "user/alice")), IsOk());
  const absl::StatusOr<Operation> stop = Stop("web", true);
  ASSERT_THAT(agent_.End(stop), IsOk());
  agent_.OnLoop([&] { agent_.driver().HoldLaunches(); });
  const absl::StatusOr<Operation> held = Launch("user/op", "db", "user/bob");
  ASSERT_THAT(held, IsOk());

  EXPECT_THAT(NamesOf("user/op", "verb = \"stop\""),
              ElementsAreArray({stop->name()}));
  EXPECT_THAT(NamesOf("user/op", "done = false"),
              ElementsAreArray({held->name()}));
  EXPECT_THAT(NamesOf("user/alice", "guest = \"guests/db\""), IsEmpty());
}

TEST_F(OperationServiceTest, BadListsAreRefused) {
  ListOperationsRequest request;
  request.set_filter("colour = \"red\"");
  EXPECT_THAT(List("user/op", request), HasReason(reason::kInvalidFilter));
  request.clear_filter();
  request.set_page_token("elsewhere");
  EXPECT_THAT(List("user/op", request), HasReason(reason::kInvalidPageToken));
  request.clear_page_token();
  request.set_page_size(-1);
  EXPECT_THAT(List("user/op", request), HasReason(reason::kInvalidRequest));
  EXPECT_THAT(List("host/h1", ListOperationsRequest()),
              StatusIs(absl::StatusCode::kPermissionDenied));
}

TEST_F(OperationServiceTest, WaitEndsWithTheOperationOrItsTimeout) {
  agent_.OnLoop([&] { agent_.driver().HoldLaunches(); });
  const absl::StatusOr<Operation> launch = Launch("user/op", "web", "");
  ASSERT_THAT(launch, IsOk());

  const absl::StatusOr<Operation> early =
      Wait("user/op", launch->name(), absl::Milliseconds(10));
  ASSERT_THAT(early, IsOk());
  EXPECT_FALSE(early->done());

  absl::StatusOr<Operation> waited = absl::UnknownError("");
  std::thread waiter(
      [&] { waited = Wait("user/op", launch->name(), absl::Seconds(15)); });
  agent_.OnLoop([&] { agent_.driver().ReleaseLaunches(); });
  waiter.join();
  ASSERT_THAT(waited, IsOk());
  EXPECT_TRUE(waited->done());
  EXPECT_TRUE(waited->has_response());
}

TEST_F(OperationServiceTest, WaitEndsBeforeTheDeadlineOfItsCall) {
  agent_.OnLoop([&] { agent_.driver().HoldLaunches(); });
  const absl::StatusOr<Operation> launch = Launch("user/op", "web", "");
  google::longrunning::WaitOperationRequest request;
  request.set_name(launch->name());
  grpc::ClientContext context;
  SetTimeout(&context, absl::Seconds(2));

  Operation operation;
  const grpc::Status status =
      Operations::NewStub(agent_.Channel("user/op"))
          ->WaitOperation(&context, request, &operation);

  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_FALSE(operation.done());
}

TEST_F(OperationServiceTest, DoneOperationIsAnsweredAtOnce) {
  const absl::StatusOr<Operation> launch = Launch("user/op", "web", "");
  ASSERT_THAT(agent_.End(launch), IsOk());

  const absl::StatusOr<Operation> again =
      Wait("user/op", launch->name(), absl::Hours(1));
  ASSERT_THAT(again, IsOk());
  EXPECT_TRUE(again->done());
}

// Who sees that an operation is done finds what it has done in the list, by
// whatever way it learned of the end.
TEST_F(OperationServiceTest, DoneIsNeverSaidBeforeTheListShowsIt) {
  for (int i = 0; i < 24; ++i) {
    const std::string id = absl::StrCat("g", i);
    const absl::StatusOr<Operation> launch =
        Launch("user/op", id, "user/alice");
    ASSERT_THAT(launch, IsOk());
    // Polled as fast as it goes, from the moment that it has a name.
    absl::StatusOr<Operation> polled = launch;
    while (polled.ok() && !polled->done()) {
      if (i % 2 == 0) {
        polled = Get("user/op", launch->name());
      } else {
        ListOperationsRequest request;
        request.set_filter(absl::StrCat("name = \"", launch->name(), "\""));
        const absl::StatusOr<ListOperationsResponse> list =
            List("user/op", request);
        ASSERT_THAT(list, IsOk());
        ASSERT_THAT(list->operations(), SizeIs(1));
        polled = list->operations(0);
      }
    }
    ASSERT_THAT(polled, IsOk());
    EXPECT_EQ(ListedState(id), v1::Guest::RUNNING) << id;

    const absl::StatusOr<Operation> stop = Stop(id, true);
    ASSERT_THAT(agent_.End(stop), IsOk());
    EXPECT_EQ(ListedState(id), v1::Guest::STOPPED) << id;
    v1::DeleteGuestRequest request;
    request.set_name(absl::StrCat("guests/", id));
    ASSERT_THAT(agent_.End(agent_.Call(
                    "user/op", &v1::Guests::Stub::DeleteGuest, request)),
                IsOk());
    EXPECT_EQ(ListedState(id), v1::Guest::STATE_UNSPECIFIED) << id;
  }
}

// The store knows of an end before the list shows it: until the feed was told,
// the operation runs for everybody.
TEST_F(OperationServiceTest, EndInTheStoreAloneIsNotShown) {
  agent_.OnLoop([&] { agent_.driver().HoldLaunches(); });
  const absl::StatusOr<Operation> launch = Launch("user/op", "web", "");
  ASSERT_THAT(launch, IsOk());
  absl::StatusOr<OperationRecord> record =
      agent_.store().GetOperation(launch->name());
  ASSERT_THAT(record, IsOk());
  record->done = true;
  record->result = ProtoOperationEncoder("hosts/h1").EmptyResult();
  Change change;
  change.put_operations.push_back(*record);
  ASSERT_THAT(agent_.store().Commit(change), IsOk());

  EXPECT_FALSE(Get("user/op", launch->name())->done());
  EXPECT_FALSE(Wait("user/op", launch->name(), absl::Milliseconds(1))->done());
  const absl::StatusOr<ListOperationsResponse> list =
      List("user/op", ListOperationsRequest());
  ASSERT_THAT(list, IsOk());
  ASSERT_THAT(list->operations(), SizeIs(1));
  EXPECT_FALSE(list->operations(0).done());
}

TEST_F(OperationServiceTest, CancelledLaunchLeavesNothing) {
  agent_.OnLoop([&] { agent_.driver().HoldLaunches(); });
  const absl::StatusOr<Operation> launch = Launch("user/op", "web", "");
  ASSERT_THAT(launch, IsOk());

  ASSERT_THAT(Cancel("user/op", launch->name()), IsOk());
  // Asked twice is asked once.
  ASSERT_THAT(Cancel("user/op", launch->name()), IsOk());
  agent_.OnLoop([&] { agent_.driver().ReleaseLaunches(); });

  const absl::Status error = agent_.ErrorOf(launch);
  EXPECT_THAT(error, StatusIs(absl::StatusCode::kCancelled,
                              HasSubstr("was cancelled by user/op")));
  EXPECT_THAT(error, HasReason(reason::kOperationCancelled));
  EXPECT_THAT(GetGuest("web"), StatusIs(absl::StatusCode::kNotFound));
  bool has_process = true;
  agent_.OnLoop([&] { has_process = agent_.driver().HasProcess("web"); });
  EXPECT_FALSE(has_process);
  EXPECT_THAT(agent_.ErrorOf(Launch("user/op", "web", "")), IsOk());
}

TEST_F(OperationServiceTest, CancelledStartLeavesTheGuestStopped) {
  const v1::Guest guest = agent_.Run("web", "user/alice");
  ASSERT_THAT(agent_.End(Stop("web", true)), IsOk());
  agent_.OnLoop([&] { agent_.driver().HoldLaunches(); });
  v1::StartGuestRequest request;
  request.set_name(guest.name());
  const absl::StatusOr<Operation> start =
      agent_.Call("user/alice", &v1::Guests::Stub::StartGuest, request);
  ASSERT_THAT(start, IsOk());

  ASSERT_THAT(Cancel("user/alice", start->name()), IsOk());
  agent_.OnLoop([&] { agent_.driver().ReleaseLaunches(); });

  EXPECT_THAT(agent_.ErrorOf(start), HasReason(reason::kOperationCancelled));
  EXPECT_EQ(GetGuest("web")->state(), v1::Guest::STOPPED);
  EXPECT_EQ(GetGuest("web")->uid(), guest.uid());
}

TEST_F(OperationServiceTest, CancelledStopLeavesTheGuestRunning) {
  agent_.Run("web", "user/alice");
  agent_.OnLoop([&] { agent_.driver().IgnorePowerButton(); });
  const absl::StatusOr<Operation> stop = Stop("web", false);
  ASSERT_THAT(stop, IsOk());
  EXPECT_EQ(GetGuest("web")->state(), v1::Guest::STOPPING);

  ASSERT_THAT(Cancel("user/alice", stop->name()), IsOk());

  const absl::Status error = agent_.ErrorOf(stop);
  EXPECT_THAT(error, HasReason(reason::kOperationCancelled));
  EXPECT_THAT(error, StatusIs(absl::StatusCode::kCancelled,
                              HasSubstr("cancelled by user/alice")));
  EXPECT_EQ(ListedState("web"), v1::Guest::RUNNING);
  EXPECT_EQ(GetGuest("web")->operation(), "");
  // It is free for the next verb.
  EXPECT_THAT(agent_.ErrorOf(Stop("web", true)), IsOk());
}

TEST_F(OperationServiceTest, GuestThatHeedsTheButtonLateIsStoppedAllTheSame) {
  agent_.Run("web", "user/alice");
  agent_.OnLoop([&] { agent_.driver().IgnorePowerButton(); });
  const absl::StatusOr<Operation> stop = Stop("web", false);
  ASSERT_THAT(Cancel("user/op", stop->name()), IsOk());
  ASSERT_THAT(agent_.ErrorOf(stop), HasReason(reason::kOperationCancelled));

  agent_.OnLoop([&] { agent_.driver().Exit("web", ExitKind::kExited, 0); });

  v1::WatchGuestsRequest request;
  request.set_filter("state = STOPPED");
  grpc::ClientContext context;
  SetTimeout(&context, TestAgent::kPatience);
  const auto stub = v1::Guests::NewStub(agent_.Channel("user/op"));
  const auto watch = stub->WatchGuests(&context, request);
  v1::WatchGuestsResponse response;
  bool stopped = false;
  while (!stopped && watch->Read(&response)) stopped = response.has_guest();
  EXPECT_TRUE(stopped);
  context.TryCancel();
}

TEST_F(OperationServiceTest, WhatIsPastThePointIsNotCancelled) {
  agent_.Run("web", "user/alice");
  agent_.OnLoop([&] { agent_.driver().IgnorePowerButton(); });
  const absl::StatusOr<Operation> graceful = Stop("web", false);
  ASSERT_THAT(graceful, IsOk());
  const absl::StatusOr<Operation> forced = Stop("web", true);
  ASSERT_THAT(agent_.End(forced), IsOk());
  ASSERT_THAT(agent_.End(graceful), IsOk());

  for (const std::string& name : {graceful->name(), forced->name()}) {
    const absl::Status status = Cancel("user/op", name);
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition,
                                 HasSubstr("has ended")));
    EXPECT_THAT(status, HasReason(reason::kOperationNotCancellable));
  }
}

TEST_F(OperationServiceTest, ForcedStopOfACancelledLaunchKeepsTheGuest) {
  agent_.OnLoop([&] { agent_.driver().HoldLaunches(); });
  const absl::StatusOr<Operation> launch = Launch("user/op", "web", "");
  ASSERT_THAT(Cancel("user/op", launch->name()), IsOk());
  const absl::StatusOr<Operation> stop = Stop("web", true);
  ASSERT_THAT(stop, IsOk());
  const absl::Status late = Cancel("user/op", stop->name());
  EXPECT_THAT(late, HasReason(reason::kOperationNotCancellable));

  agent_.OnLoop([&] { agent_.driver().ReleaseLaunches(); });

  EXPECT_THAT(agent_.ErrorOf(stop), IsOk());
  EXPECT_THAT(agent_.ErrorOf(launch), HasReason(reason::kOperationCancelled));
  EXPECT_EQ(ListedState("web"), v1::Guest::STOPPED);
}

TEST_F(OperationServiceTest, ViewerCannotCancel) {
  agent_.OnLoop([&] { agent_.driver().HoldLaunches(); });
  const absl::StatusOr<Operation> launch =
      Launch("user/op", "web", "user/alice");

  EXPECT_THAT(Cancel("user/watcher", launch->name()),
              StatusIs(absl::StatusCode::kNotFound));
  agent_.OnLoop([&] { agent_.driver().ReleaseLaunches(); });
  EXPECT_THAT(agent_.ErrorOf(launch), IsOk());
}

TEST_F(OperationServiceTest, OperationsAreNotDeletedByHand) {
  const absl::StatusOr<Operation> launch = Launch("user/op", "web", "");
  ASSERT_THAT(agent_.End(launch), IsOk());
  google::longrunning::DeleteOperationRequest request;
  request.set_name(launch->name());

  EXPECT_THAT(
      agent_.Call("user/op", &Operations::Stub::DeleteOperation, request),
      HasReason(reason::kNotImplemented));
  EXPECT_THAT(Get("user/op", launch->name()), IsOk());
}

}  // namespace
}  // namespace innkeeper
