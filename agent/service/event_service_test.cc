#include "agent/service/event_service.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "agent/service/testing/test_agent.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "grpcpp/client_context.h"
#include "gtest/gtest.h"
#include "innkeeper/v1/events.grpc.pb.h"
#include "innkeeper/v1/guests.grpc.pb.h"
#include "rpc/channel.h"
#include "rpc/status_map.h"

namespace innkeeper {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// What a watch that ends by itself was sent.
struct Seen {
  std::vector<std::string> types;
  std::string last_token;
  absl::Status end;
};

class EventServiceTest : public testing::Test {
 protected:
  Seen Watch(const std::string& caller, v1::WatchEventsRequest request) {
    request.set_until_now(true);
    grpc::ClientContext context;
    SetTimeout(&context, TestAgent::kPatience);
    const auto stub = v1::Events::NewStub(agent_.Channel(caller));
    const auto watch = stub->WatchEvents(&context, request);
    Seen seen;
    v1::WatchEventsResponse response;
    while (watch->Read(&response)) {
      if (response.has_event()) {
        seen.types.push_back(response.event().type());
      } else {
        seen.last_token = response.progress().resume_token();
      }
    }
    seen.end = FromGrpcStatus(watch->Finish());
    return seen;
  }
  void StopByForce(const std::string& id) {
    v1::StopGuestRequest request;
    request.set_name(absl::StrCat("guests/", id));
    request.set_force(true);
    EXPECT_THAT(agent_.End(agent_.Call("user/op", &v1::Guests::Stub::StopGuest,
                                       request)),
                IsOk());
  }

  TestAgent agent_;
};

TEST_F(EventServiceTest, CallerWithoutARoleSeesNoEvent) {
  EXPECT_THAT(Watch("host/h1", {}).end,
              StatusIs(absl::StatusCode::kPermissionDenied));
}

TEST_F(EventServiceTest, BadWatchesAreRefused) {
  v1::WatchEventsRequest request;
  request.set_filter("colour = \"red\"");
  EXPECT_THAT(Watch("user/op", request).end, HasReason(reason::kInvalidFilter));
  request.clear_filter();
  request.set_resume_token("nonsense");
  EXPECT_THAT(Watch("user/op", request).end,
              HasReason(reason::kInvalidResumeToken));
}

TEST_F(EventServiceTest, LifeOfAGuestIsToldInOrder) {
  agent_.Run("web", "user/alice");
  StopByForce("web");
  v1::WatchEventsRequest request;
  request.set_from_oldest(true);

  const Seen seen = Watch("user/alice", request);

  EXPECT_THAT(seen.end, IsOk());
  EXPECT_THAT(seen.types, ElementsAre("guest.launched", "guest.started",
                                      "guest.stopping", "guest.stopped"));
}

TEST_F(EventServiceTest, WatchBeginsWithWhatIsNew) {
  agent_.Run("web", "user/alice");

  EXPECT_THAT(Watch("user/alice", {}).types, IsEmpty());
}

TEST_F(EventServiceTest, ResumedWatchGoesOnAfterItsMark) {
  agent_.Run("web", "user/alice");
  v1::WatchEventsRequest request;
  const std::string token = Watch("user/alice", request).last_token;
  ASSERT_NE(token, "");
  StopByForce("web");

  request.set_resume_token(token);
  const Seen seen = Watch("user/alice", request);

  EXPECT_THAT(seen.end, IsOk());
  EXPECT_THAT(seen.types, ElementsAre("guest.stopping", "guest.stopped"));
}

TEST_F(EventServiceTest, TokenOfAnotherIncarnationIsOutOfRange) {
  std::string token;
  {
    TestAgent other;
    grpc::ClientContext context;
    SetTimeout(&context, TestAgent::kPatience);
    const auto stub = v1::Events::NewStub(other.Channel("user/op"));
    const auto watch = stub->WatchEvents(&context, v1::WatchEventsRequest());
    v1::WatchEventsResponse response;
    ASSERT_TRUE(watch->Read(&response));
    token = response.progress().resume_token();
    context.TryCancel();
  }
  agent_.Run("web", "user/alice");

  v1::WatchEventsRequest request;
  request.set_resume_token(token);
  const Seen seen = Watch("user/op", request);

  EXPECT_THAT(seen.end, StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_THAT(seen.end, HasReason(reason::kHistoryGone));
}

TEST_F(EventServiceTest, TokenAndOldestExcludeEachOther) {
  v1::WatchEventsRequest request;
  request.set_resume_token(Watch("user/op", request).last_token);
  request.set_from_oldest(true);

  EXPECT_THAT(Watch("user/op", request).end,
              HasReason(reason::kInvalidRequest));
}

TEST_F(EventServiceTest, FilterChoosesAmongWhatMayBeSeen) {
  agent_.Run("hers", "user/alice");
  agent_.Run("his", "user/bob");
  v1::WatchEventsRequest request;
  request.set_from_oldest(true);
  request.set_filter("type = \"guest.started\"");

  EXPECT_THAT(Watch("user/alice", request).types, ElementsAre("guest.started"));
  EXPECT_THAT(Watch("user/op", request).types,
              ElementsAre("guest.started", "guest.started"));
  request.set_filter("owner = \"user/bob\"");
  EXPECT_THAT(Watch("user/alice", request).types, IsEmpty());
}

TEST_F(EventServiceTest, EventsThatComeAreSentAsTheyCome) {
  grpc::ClientContext context;
  SetTimeout(&context, TestAgent::kPatience);
  const auto stub = v1::Events::NewStub(agent_.Channel("user/alice"));
  const auto watch = stub->WatchEvents(&context, v1::WatchEventsRequest());
  v1::WatchEventsResponse response;
  ASSERT_TRUE(watch->Read(&response));
  ASSERT_TRUE(response.has_progress());

  const v1::Guest guest = agent_.Run("web", "user/alice");

  do {
    ASSERT_TRUE(watch->Read(&response));
  } while (!response.has_event());
  EXPECT_EQ(response.event().type(), "guest.launched");
  EXPECT_EQ(response.event().host(), "hosts/h1");
  EXPECT_EQ(response.event().guest_uid(), guest.uid());
  EXPECT_EQ(response.event().caller(), "user/op");
  EXPECT_NE(response.event().operation(), "");
  context.TryCancel();
}

}  // namespace
}  // namespace innkeeper
