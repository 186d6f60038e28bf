#include "agent/service/inventory_service.h"

#include <memory>
#include <set>
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
#include "innkeeper/agent/v1/inventory.grpc.pb.h"
#include "innkeeper/v1/guests.grpc.pb.h"
#include "rpc/channel.h"
#include "rpc/status_map.h"

namespace innkeeper {
namespace {

using agent::v1::Inventory;
using agent::v1::ListHostEventsRequest;
using agent::v1::ListHostEventsResponse;
using agent::v1::WatchInventoryRequest;
using agent::v1::WatchInventoryResponse;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

constexpr char kServer[] = "server/s2";

// A server's stream.
class Stream {
 public:
  Stream(TestAgent& agent, const std::string& caller)
      : stub_(Inventory::NewStub(agent.Channel(caller))) {
    SetTimeout(&context_, TestAgent::kPatience);
    reader_ = stub_->WatchInventory(&context_, WatchInventoryRequest());
  }
  ~Stream() { context_.TryCancel(); }
  // The next message that is no heartbeat; an empty one at the end.
  WatchInventoryResponse Next() {
    WatchInventoryResponse message;
    while (reader_->Read(&message)) {
      if (!message.has_heartbeat()) return message;
    }
    return WatchInventoryResponse();
  }
  bool ReadHeartbeat() {
    WatchInventoryResponse message;
    while (reader_->Read(&message)) {
      if (message.has_heartbeat()) return true;
    }
    return false;
  }
  // The names up to `synced`, and that message.
  std::vector<std::string> Snapshot(agent::v1::Position* synced = nullptr) {
    std::vector<std::string> names;
    while (true) {
      const WatchInventoryResponse message = Next();
      if (message.has_guest()) {
        names.push_back(message.guest().name());
      } else if (message.has_synced()) {
        if (synced != nullptr) *synced = message.synced();
        return names;
      } else if (!message.has_host()) {
        ADD_FAILURE() << message.DebugString();
        return names;
      }
    }
  }
  absl::Status End() {
    WatchInventoryResponse message;
    while (reader_->Read(&message)) {
    }
    return FromGrpcStatus(reader_->Finish());
  }

 private:
  std::unique_ptr<Inventory::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<WatchInventoryResponse>> reader_;
};

class InventoryServiceTest : public testing::Test {
 protected:
  absl::StatusOr<ListHostEventsResponse> Events(
      const ListHostEventsRequest& request,
      const std::string& caller = kServer) {
    return agent_.Call(caller, &Inventory::Stub::ListHostEvents, request);
  }
  void StopByForce(const std::string& id) {
    v1::StopGuestRequest request;
    request.set_name(absl::StrCat("guests/", id));
    request.set_force(true);
    EXPECT_THAT(agent_.End(agent_.Call("user/op", &v1::Guests::Stub::StopGuest,
                                       request)),
                IsOk());
  }
  void Delete(const std::string& id) {
    v1::DeleteGuestRequest request;
    request.set_name(absl::StrCat("guests/", id));
    EXPECT_THAT(agent_.End(agent_.Call(
                    "user/op", &v1::Guests::Stub::DeleteGuest, request)),
                IsOk());
  }

  TestAgent agent_;
};

TEST_F(InventoryServiceTest, OnlyServersReadTheInventory) {
  for (const char* caller :
       {"user/root", "user/alice", "service/ci", "host/h2", "gateway/g1"}) {
    EXPECT_THAT(Stream(agent_, caller).End(),
                HasReason(reason::kPermissionDenied))
        << caller;
    EXPECT_THAT(Events(ListHostEventsRequest(), caller),
                HasReason(reason::kPermissionDenied))
        << caller;
  }
}

TEST_F(InventoryServiceTest, HostComesFirstThenEveryGuestThenThePlaceInTheLog) {
  const v1::Guest web = agent_.Run("web", "user/alice");
  agent_.Run("db", "user/bob");
  Stream stream(agent_, kServer);

  const WatchInventoryResponse first = stream.Next();
  ASSERT_TRUE(first.has_host());
  EXPECT_EQ(first.host().name(), "hosts/h1");
  EXPECT_EQ(first.host().labels().at("zone"), "a");
  agent::v1::Position synced;
  EXPECT_THAT(stream.Snapshot(&synced),
              UnorderedElementsAre("guests/web", "guests/db"));
  EXPECT_EQ(synced.epoch(), absl::StrCat(agent_.store().epoch()));
  EXPECT_EQ(synced.sequence(), *agent_.store().LastSequence());
}

TEST_F(InventoryServiceTest, ChangeIsFollowedByItsEvents) {
  Stream stream(agent_, kServer);
  EXPECT_THAT(stream.Snapshot(), IsEmpty());

  const v1::Guest web = agent_.Run("web", "user/alice");
  StopByForce("web");
  Delete("web");

  // As it goes: "=" a guest in a state, "+" an event, "-" a guest that is gone.
  std::vector<std::string> told;
  while (told.empty() || told.back() != "+guest.deleted") {
    const WatchInventoryResponse message = stream.Next();
    if (message.has_guest()) {
      EXPECT_EQ(message.guest().uid(), web.uid());
      told.push_back(
          absl::StrCat("=", v1::Guest::State_Name(message.guest().state())));
    } else if (message.has_event()) {
      EXPECT_EQ(message.event().guest_uid(), web.uid());
      told.push_back(absl::StrCat("+", message.event().type()));
    } else if (message.update_case() ==
               WatchInventoryResponse::kRemovedGuestUid) {
      EXPECT_EQ(message.removed_guest_uid(), web.uid());
      told.push_back("-");
    } else {
      FAIL() << message.DebugString();
    }
  }
  EXPECT_THAT(told, ElementsAre("=STARTING", "+guest.launched", "=RUNNING",
                                "+guest.started", "=STOPPING",
                                "+guest.stopping", "=STOPPED", "+guest.stopped",
                                // The delete is accepted, then done.
                                "=STOPPED", "-", "+guest.deleted"));
}

TEST_F(InventoryServiceTest, EventsOfAStreamFollowItsPlaceWithoutAGap) {
  agent_.Run("web", "user/alice");
  Stream stream(agent_, kServer);
  agent::v1::Position synced;
  stream.Snapshot(&synced);

  StopByForce("web");

  int64_t next = synced.sequence() + 1;
  std::string type;
  while (type != "guest.stopped") {
    const WatchInventoryResponse message = stream.Next();
    ASSERT_NE(message.update_case(), WatchInventoryResponse::UPDATE_NOT_SET);
    if (!message.has_event()) continue;
    EXPECT_EQ(message.event().sequence(), next++);
    type = message.event().type();
  }
}

TEST_F(InventoryServiceTest, NewStreamBeginsWithAWholeSnapshotAgain) {
  agent_.Run("web", "user/alice");
  agent_.Run("db", "user/bob");
  EXPECT_THAT(Stream(agent_, kServer).Snapshot(), SizeIs(2));
  StopByForce("db");
  Delete("db");

  EXPECT_THAT(Stream(agent_, kServer).Snapshot(), ElementsAre("guests/web"));
}

TEST_F(InventoryServiceTest, ManyGuestsComeWholeToAServerThatReadsSlowly) {
  // More than a stream's queue holds; put there as the supervisor would.
  constexpr int kGuests = 3000;
  agent_.OnLoop([&] {
    for (int i = 0; i < kGuests; ++i) {
      GuestRecord record;
      record.id = absl::StrCat("g", i);
      record.uid = absl::StrCat("uid-", i);
      record.state = GuestState::kRunning;
      record.state_reason = std::string(1000, 'x');
      agent_.view().OnGuest(record, false, "", {});
    }
  });
  Stream stream(agent_, kServer);

  std::vector<std::string> names = stream.Snapshot();

  std::set<std::string> unique(names.begin(), names.end());
  EXPECT_THAT(unique, SizeIs(kGuests));
}

TEST_F(InventoryServiceTest, ChangeOfTheHostIsTold) {
  Stream stream(agent_, kServer);
  stream.Snapshot();
  v1::Host host = agent_.view().host();
  host.add_volumes("pools/main/volumes/new");

  agent_.view().SetHost(host);

  const WatchInventoryResponse message = stream.Next();
  ASSERT_TRUE(message.has_host());
  EXPECT_THAT(message.host().volumes(), ElementsAre("pools/main/volumes/new"));
}

TEST_F(InventoryServiceTest, HeartbeatComesWithoutAnyChange) {
  EXPECT_TRUE(Stream(agent_, kServer).ReadHeartbeat());
}

TEST_F(InventoryServiceTest, EventsAreReadPageByPage) {
  agent_.Run("web", "user/alice");
  StopByForce("web");
  ListHostEventsRequest request;
  request.set_page_size(3);

  const absl::StatusOr<ListHostEventsResponse> first = Events(request);
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(first->events(), SizeIs(3));
  EXPECT_EQ(first->position().epoch(), absl::StrCat(agent_.store().epoch()));
  EXPECT_EQ(first->position().sequence(), *agent_.store().LastSequence());
  EXPECT_EQ(first->position().oldest_sequence(), first->events(0).sequence());

  request.set_epoch(first->position().epoch());
  request.set_after_sequence(first->events(2).sequence());
  const absl::StatusOr<ListHostEventsResponse> rest = Events(request);
  ASSERT_THAT(rest, IsOk());
  ASSERT_THAT(rest->events(), SizeIs(1));
  EXPECT_EQ(rest->events(0).type(), "guest.stopped");
}

TEST_F(InventoryServiceTest, EmptyLogHasNoOldestEvent) {
  const absl::StatusOr<ListHostEventsResponse> page =
      Events(ListHostEventsRequest());

  ASSERT_THAT(page, IsOk());
  EXPECT_THAT(page->events(), IsEmpty());
  EXPECT_EQ(page->position().sequence(), 0);
  EXPECT_EQ(page->position().oldest_sequence(), 0);
}

TEST_F(InventoryServiceTest, PlaceOfAnotherLogIsGone) {
  agent_.Run("web", "user/alice");
  ListHostEventsRequest request;
  request.set_epoch("999");
  request.set_after_sequence(1);

  const absl::StatusOr<ListHostEventsResponse> page = Events(request);

  EXPECT_THAT(page, StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_THAT(page, HasReason(reason::kHistoryGone));
}

}  // namespace
}  // namespace innkeeper
