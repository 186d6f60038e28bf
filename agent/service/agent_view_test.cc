#include "agent/service/agent_view.h"

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
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

using ::testing::IsEmpty;
using ::testing::SizeIs;

class AgentViewTest : public testing::Test {
 protected:
  std::set<std::string> Listed(const std::string& caller) {
    const auto list = agent_.Call(caller, &v1::Guests::Stub::ListGuests,
                                  v1::ListGuestsRequest());
    EXPECT_THAT(list, IsOk());
    std::set<std::string> names;
    for (const v1::Guest& guest : list->guests()) names.insert(guest.name());
    return names;
  }
  // Up to the first mark.
  std::set<std::string> Watched(const std::string& caller) {
    grpc::ClientContext context;
    SetTimeout(&context, TestAgent::kPatience);
    const auto stub = v1::Guests::NewStub(agent_.Channel(caller));
    const auto watch = stub->WatchGuests(&context, v1::WatchGuestsRequest());
    std::set<std::string> names;
    v1::WatchGuestsResponse response;
    while (watch->Read(&response) && !response.has_progress()) {
      names.insert(response.guest().name());
    }
    EXPECT_TRUE(response.has_progress()) << caller;
    context.TryCancel();
    return names;
  }
  std::set<std::string> Got(const std::string& caller,
                            const std::vector<std::string>& names) {
    std::set<std::string> got;
    for (const std::string& name : names) {
      v1::GetGuestRequest request;
      request.set_name(name);
      if (agent_.Call(caller, &v1::Guests::Stub::GetGuest, request).ok()) {
        got.insert(name);
      }
    }
    return got;
  }
  std::set<std::string> InEvents(const std::string& caller) {
    grpc::ClientContext context;
    SetTimeout(&context, TestAgent::kPatience);
    v1::WatchEventsRequest request;
    request.set_from_oldest(true);
    request.set_until_now(true);
    const auto stub = v1::Events::NewStub(agent_.Channel(caller));
    const auto watch = stub->WatchEvents(&context, request);
    std::set<std::string> names;
    v1::WatchEventsResponse response;
    while (watch->Read(&response)) {
      if (response.has_event()) names.insert(response.event().guest());
    }
    EXPECT_THAT(FromGrpcStatus(watch->Finish()), IsOk());
    return names;
  }
  absl::StatusOr<std::vector<v1::Event>> Read(const std::string& host,
                                              const Position& after,
                                              int limit) {
    absl::StatusOr<std::vector<v1::Event>> answer = absl::UnknownError("");
    absl::Notification answered;
    agent_.view().Read(host, after, limit,
                       [&](absl::StatusOr<std::vector<v1::Event>> events) {
                         answer = std::move(events);
                         answered.Notify();
                       });
    EXPECT_TRUE(answered.WaitForNotificationWithTimeout(TestAgent::kPatience));
    return answer;
  }

  TestAgent agent_;
};

TEST_F(AgentViewTest, ListWatchGetAndEventsShowTheSameGuests) {
  const std::vector<std::string> all = {"guests/a", "guests/b", "guests/c"};
  agent_.Run("a", "user/alice");
  agent_.Run("b", "user/bob");
  agent_.Run("c", "user/alice");

  const std::vector<std::pair<std::string, std::set<std::string>>> seen = {
      {"user/alice", {"guests/a", "guests/c"}},
      {"user/bob", {"guests/b"}},
      {"user/carol", {}},
      {"user/op", {all.begin(), all.end()}},
      {"user/watcher", {all.begin(), all.end()}},
      {"user/site", {all.begin(), all.end()}},
      {"server/s2", {all.begin(), all.end()}},
  };
  for (const auto& [caller, names] : seen) {
    EXPECT_EQ(Listed(caller), names) << caller;
    EXPECT_EQ(Watched(caller), names) << caller;
    EXPECT_EQ(Got(caller, all), names) << caller;
    EXPECT_EQ(InEvents(caller), names) << caller;
  }
}

TEST_F(AgentViewTest, WatcherIsToldOfNoForeignChange) {
  agent_.Run("hers", "user/alice");
  grpc::ClientContext context;
  SetTimeout(&context, TestAgent::kPatience);
  const auto stub = v1::Guests::NewStub(agent_.Channel("user/bob"));
  const auto watch = stub->WatchGuests(&context, v1::WatchGuestsRequest());
  v1::WatchGuestsResponse response;
  ASSERT_TRUE(watch->Read(&response));
  ASSERT_TRUE(response.has_progress());

  // All of a foreign guest's life, then something of the watcher's own.
  v1::StopGuestRequest stop;
  stop.set_name("guests/hers");
  stop.set_force(true);
  ASSERT_THAT(
      agent_.End(agent_.Call("user/alice", &v1::Guests::Stub::StopGuest, stop)),
      IsOk());
  v1::DeleteGuestRequest remove;
  remove.set_name("guests/hers");
  ASSERT_THAT(agent_.End(agent_.Call("user/alice",
                                     &v1::Guests::Stub::DeleteGuest, remove)),
              IsOk());
  agent_.Run("his", "user/bob");

  do {
    ASSERT_TRUE(watch->Read(&response));
  } while (response.has_progress());
  EXPECT_EQ(response.guest().name(), "guests/his");
  context.TryCancel();
}

TEST_F(AgentViewTest, ResolvesWhatThereIsAndNothingElse) {
  const v1::Guest guest = agent_.Run("web", "user/alice");

  const auto found = agent_.view().Resolve("guests/web");
  ASSERT_THAT(found, IsOk());
  EXPECT_EQ(found->owner, "user/alice");
  EXPECT_EQ(found->host, "hosts/h1");
  EXPECT_THAT(agent_.view().Resolve("hosts/h1"), IsOk());
  for (const char* name : {"guests/no", "hosts/h2", "operations/no", "web", "",
                           "pools/main/volumes/root"}) {
    EXPECT_THAT(agent_.view().Resolve(name),
                StatusIs(absl::StatusCode::kNotFound))
        << name;
  }
}

TEST_F(AgentViewTest, HostSaysWhatItsGuestsHaveBeenGiven) {
  agent_.Run("a", "user/alice");
  agent_.Run("b", "user/bob");

  const v1::Host host = agent_.view().host();

  EXPECT_EQ(host.allocated().guest_count(), 2);
  EXPECT_EQ(host.allocated().vcpu_count(), 2);
  EXPECT_EQ(host.allocated().memory_bytes(), int64_t{128} << 20);
  EXPECT_TRUE(host.has_observe_time());
}

TEST_F(AgentViewTest, HistoryIsReadFromAnyPlaceInIt) {
  agent_.Run("web", "user/alice");
  Position oldest;

  const auto all = Read("hosts/h1", oldest, 100);
  ASSERT_THAT(all, IsOk());
  ASSERT_THAT(*all, SizeIs(2));
  EXPECT_EQ((*all)[0].type(), "guest.launched");
  EXPECT_EQ((*all)[1].type(), "guest.started");

  const Position first = {(*all)[0].epoch(), (*all)[0].sequence()};
  const auto rest = Read("hosts/h1", first, 100);
  ASSERT_THAT(rest, IsOk());
  ASSERT_THAT(*rest, SizeIs(1));
  EXPECT_EQ((*rest)[0].sequence(), (*all)[1].sequence());

  EXPECT_THAT(*Read("hosts/h1", oldest, 1), SizeIs(1));
  const Position last = {(*all)[1].epoch(), (*all)[1].sequence()};
  EXPECT_THAT(*Read("hosts/h1", last, 100), IsEmpty());
}

TEST_F(AgentViewTest, HistoryOfAnotherLogIsGone) {
  agent_.Run("web", "user/alice");
  const std::string epoch = absl::StrCat(agent_.store().epoch());

  EXPECT_THAT(Read("hosts/h1", {"999", 1}, 100),
              HasReason(reason::kHistoryGone));
  EXPECT_THAT(Read("hosts/h2", {epoch, 1}, 100),
              HasReason(reason::kHistoryGone));
  EXPECT_THAT(Read("hosts/h1", {epoch, 1000}, 100),
              StatusIs(absl::StatusCode::kOutOfRange));
}

}  // namespace
}  // namespace innkeeper
