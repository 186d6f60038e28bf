#include "server/service/event_service.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/service/testing/test_cluster.h"

namespace innkeeper {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::IsSupersetOf;
using testing::UnorderedElementsAre;

v1::Event EventOf(const v1::Guest& guest, const std::string& type) {
  v1::Event event;
  event.set_type(type);
  event.set_guest(guest.name());
  event.set_guest_uid(guest.uid());
  event.set_owner(guest.owner());
  return event;
}

// "TYPE SUBJECT"
std::string TextOf(const v1::Event& event) {
  return absl::StrCat(event.type(), " ",
                      event.guest().empty() ? event.message() : event.guest());
}

class EventServiceTest : public testing::Test {
 protected:
  EventServiceTest() {
    for (const auto& [agent, guest] :
         {std::pair(&cluster_.h1(), &a1_), std::pair(&cluster_.h1(), &b1_),
          std::pair(&cluster_.h2(), &a2_)}) {
      agent->AddGuest(*guest);
      EXPECT_TRUE(cluster_.AwaitGuest(guest->name()));
      agent->AddEvent(EventOf(*guest, "guest.started"));
    }
  }

  // A watch from its beginning to its end, or to the first mark after `marks`.
  struct Watched {
    std::vector<std::string> events;
    std::string token;  // Of the last mark.
    absl::Status status;
  };
  Watched Watch(const std::string& caller,
                const v1::WatchEventsRequest& request) {
    v1::Events::Stub stub(cluster_.Channel(caller));
    grpc::ClientContext context;
    SetTimeout(&context, TestCluster::kPatience);
    const auto reader = stub.WatchEvents(&context, request);
    Watched watched;
    v1::WatchEventsResponse response;
    while (reader->Read(&response)) {
      if (response.has_event()) {
        watched.events.push_back(TextOf(response.event()));
      } else {
        watched.token = response.progress().resume_token();
      }
    }
    watched.status = FromGrpcStatus(reader->Finish());
    return watched;
  }
  static v1::WatchEventsRequest UntilNow() {
    v1::WatchEventsRequest request;
    request.set_from_oldest(true);
    request.set_until_now(true);
    return request;
  }

  TestCluster cluster_;
  const v1::Guest a1_ = MakeTestGuest("a1", 'a', "user/alice");
  const v1::Guest b1_ = MakeTestGuest("b1", 'b', "user/bob");
  const v1::Guest a2_ = MakeTestGuest("a2", 'c', "user/alice");
};

TEST_F(EventServiceTest, CallerWithoutARoleIsDenied) {
  EXPECT_THAT(Watch("service/ci", UntilNow()).status,
              AllOf(StatusIs(absl::StatusCode::kPermissionDenied),
                    HasReason(reason::kPermissionDenied)));
}

TEST_F(EventServiceTest, TenantHearsOfItsOwnGuestsOnly) {
  const Watched watched = Watch("user/alice", UntilNow());

  EXPECT_THAT(watched.status, IsOk());
  EXPECT_THAT(watched.events, UnorderedElementsAre("guest.started guests/a1",
                                                   "guest.started guests/a2"));
}

TEST_F(EventServiceTest, WhoSeesAllHearsOfHostsToo) {
  EXPECT_TRUE(cluster_.Await([&] {
    return testing::Matches(IsSupersetOf(
        {"guest.started guests/a1", "guest.started guests/a2",
         "guest.started guests/b1", "host.up hosts/h1", "host.up hosts/h2"}))(
        Watch("user/watcher", UntilNow()).events);
  }));
}

TEST_F(EventServiceTest, FilterCannotAskForWhatIsForeign) {
  v1::WatchEventsRequest request = UntilNow();
  request.set_filter("owner = \"user/bob\"");

  EXPECT_THAT(Watch("user/alice", request).events, IsEmpty());
  EXPECT_THAT(Watch("user/op", request).events,
              ElementsAre("guest.started guests/b1"));
}

TEST_F(EventServiceTest, MalformedRequestsAreRefused) {
  v1::WatchEventsRequest request;
  request.set_filter("owner = ");
  EXPECT_THAT(Watch("user/alice", request).status,
              AllOf(StatusIs(absl::StatusCode::kInvalidArgument),
                    HasReason(reason::kInvalidFilter)));
  request.clear_filter();
  request.set_resume_token("nonsense");
  EXPECT_THAT(Watch("user/alice", request).status,
              AllOf(StatusIs(absl::StatusCode::kInvalidArgument),
                    HasReason(reason::kInvalidResumeToken)));
  request.set_from_oldest(true);
  EXPECT_THAT(Watch("user/alice", request).status,
              AllOf(StatusIs(absl::StatusCode::kInvalidArgument),
                    HasReason(reason::kInvalidRequest)));
}

TEST_F(EventServiceTest, WatchResumedAfterARestartMissesNothing) {
  const std::string token = Watch("user/alice", UntilNow()).token;
  cluster_.Stop();
  cluster_.h1().AddEvent(EventOf(a1_, "guest.stopped"));
  cluster_.h1().AddEvent(EventOf(b1_, "guest.stopped"));
  cluster_.Restart();
  cluster_.h2().AddEvent(EventOf(a2_, "guest.paused"));
  v1::WatchEventsRequest request;
  request.set_resume_token(token);
  request.set_until_now(true);

  // The last one is on its way from the agent.
  EXPECT_TRUE(cluster_.Await([&] {
    return testing::Matches(UnorderedElementsAre("guest.stopped guests/a1",
                                                 "guest.paused guests/a2"))(
        Watch("user/alice", request).events);
  }));
}

TEST_F(EventServiceTest, HistoryThatIsNotKeptIsSaidToBeGone) {
  const std::string token = Watch("user/alice", UntilNow()).token;
  cluster_.Stop();
  for (int i = 0; i < 3; ++i) {
    cluster_.h1().AddEvent(EventOf(a1_, "guest.stopped"));
  }
  cluster_.h1().DropEvents(4);
  cluster_.Restart();
  v1::WatchEventsRequest request;
  request.set_resume_token(token);
  request.set_until_now(true);

  EXPECT_THAT(Watch("user/alice", request).status,
              AllOf(StatusIs(absl::StatusCode::kOutOfRange),
                    HasReason(reason::kHistoryGone)));
}

TEST_F(EventServiceTest, EventGoesByTheNameThatTheClusterKnows) {
  cluster_.h2().AddGuest(MakeTestGuest("a1", 'd', "user/alice"));
  ASSERT_TRUE(cluster_.AwaitGuest("guests/a1-dddddd"));
  cluster_.h2().AddEvent(
      EventOf(MakeTestGuest("a1", 'd', "user/alice"), "guest.paused"));

  EXPECT_TRUE(cluster_.Await([&] {
    return testing::Matches(Contains("guest.paused guests/a1-dddddd"))(
        Watch("user/alice", UntilNow()).events);
  }));
}

}  // namespace
}  // namespace innkeeper
