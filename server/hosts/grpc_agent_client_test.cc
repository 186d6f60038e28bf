#include "server/hosts/grpc_agent_client.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "base/uuid.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "innkeeper/v1/guests.pb.h"
#include "rpc/testing/fake_services.h"
#include "rpc/testing/test_server.h"
#include "server/hosts/testing/fake_inventory.h"

namespace innkeeper {
namespace {

using testing::AllOf;

constexpr absl::Duration kPatience = absl::Seconds(20);
constexpr char kGet[] = "innkeeper.v1.Guests/GetGuest";
constexpr char kStop[] = "innkeeper.v1.Guests/StopGuest";

// An agent with the certificate of host/h1, and a server that talks to it.
class GrpcAgentClientTest : public testing::Test {
 protected:
  GrpcAgentClientTest() {
    TestServer::Options options;
    options.principal = "host/h1";
    options.services = {"innkeeper.v1.Guests", "innkeeper.v1.Consoles",
                        "innkeeper.agent.v1.Inventory"};
    options.make = [this](Gate* gate) {
      auto guests = std::make_unique<FakeGuests>(gate);
      guests_ = guests.get();
      auto inventory = std::make_unique<FakeInventory>(gate);
      inventory_ = inventory.get();
      std::vector<std::unique_ptr<grpc::Service>> services;
      services.push_back(std::move(guests));
      services.push_back(std::move(inventory));
      services.push_back(std::make_unique<EchoConsoles>(gate));
      return services;
    };
    agent_ = std::make_unique<TestServer>(std::move(options));
  }
  std::unique_ptr<AgentClient> NewClient(
      const std::string& host = "h1", const std::string& self = "server/s1") {
    EnrolledHost enrolled;
    enrolled.name = host;
    enrolled.address = agent_->address();
    auto client = GrpcAgentClient::Create(enrolled, agent_->ClientTls(self));
    EXPECT_THAT(client, IsOk());
    return *std::move(client);
  }
  static Delegation For(const std::string& caller) {
    return {*Principal::Parse(caller), MakeUuid(), MakeUuid(), 7};
  }
  static absl::StatusOr<v1::Guest> Get(
      AgentClient& client, const std::string& name,
      const std::optional<Delegation>& delegation,
      absl::Duration timeout = kPatience) {
    v1::GetGuestRequest request;
    request.set_name(name);
    absl::Notification done;
    absl::StatusOr<v1::Guest> answer = absl::UnknownError("");
    CallAgent<v1::Guest>(client, kGet, request, delegation, timeout,
                         [&](absl::StatusOr<v1::Guest> guest) {
                           answer = std::move(guest);
                           done.Notify();
                         });
    done.WaitForNotification();
    return answer;
  }

  FakeGuests* guests_ = nullptr;
  FakeInventory* inventory_ = nullptr;
  std::unique_ptr<TestServer> agent_;
};

TEST_F(GrpcAgentClientTest, BearerOfAnotherHostsCertificateIsNotBelieved) {
  const auto client = NewClient("h2");

  const absl::Status refused =
      Get(*client, "guests/web", For("user/alice"), absl::Seconds(2)).status();

  EXPECT_TRUE(IsUnreachable(refused)) << refused;
  EXPECT_EQ(guests_->reached(), 0);
}

TEST_F(GrpcAgentClientTest, NobodyButAServerCallsForOthers) {
  const auto client = NewClient("h1", "user/root");

  EXPECT_THAT(Get(*client, "guests/web", For("user/alice")),
              AllOf(StatusIs(absl::StatusCode::kPermissionDenied),
                    HasReason(reason::kDelegationRefused)));
  EXPECT_EQ(guests_->reached(), 0);
}

TEST_F(GrpcAgentClientTest, CallHasTheRightsOfWhomItIsFor) {
  const auto client = NewClient();

  const auto own = Get(*client, "guests/web", For("user/alice"));
  const auto foreign = Get(*client, "guests/web", For("user/bob"));

  ASSERT_THAT(own, IsOk());
  EXPECT_EQ(own->requested_by(), "user/alice");
  EXPECT_THAT(foreign, AllOf(StatusIs(absl::StatusCode::kNotFound,
                                      "guest 'web' does not exist"),
                             HasReason(reason::kGuestNotFound)));
}

TEST_F(GrpcAgentClientTest, DelegationArrivesOnceAndWhole) {
  const auto client = NewClient();
  const Delegation sent = For("user/alice");
  const absl::Time before = absl::Now();

  // A second one beside it would be refused.
  ASSERT_THAT(Get(*client, "guests/web", sent, absl::Seconds(30)), IsOk());

  const std::optional<Delegation> arrived = guests_->last_info().delegation;
  ASSERT_TRUE(arrived.has_value());
  EXPECT_EQ(arrived->caller, sent.caller);
  EXPECT_EQ(arrived->operation, sent.operation);
  EXPECT_EQ(arrived->guest_uid, sent.guest_uid);
  EXPECT_EQ(arrived->fencing_number, 7);
  EXPECT_GE(arrived->deadline,
            before + absl::Seconds(30) - absl::Milliseconds(1));
  EXPECT_LE(arrived->deadline, absl::Now() + absl::Seconds(30));
}

TEST_F(GrpcAgentClientTest, DelegationsOwnDeadlineCountsIfItIsEarlier) {
  const auto client = NewClient();
  Delegation sent = For("user/alice");
  sent.deadline =
      absl::FromUnixMicros(absl::ToUnixMicros(absl::Now())) + absl::Seconds(15);

  ASSERT_THAT(Get(*client, "guests/web", sent), IsOk());

  EXPECT_EQ(guests_->last_info().delegation->deadline, sent.deadline);
  EXPECT_LE(guests_->last_info().deadline, sent.deadline);
}

TEST_F(GrpcAgentClientTest, CallForNobodyElseIsTheServersOwn) {
  const auto client = NewClient();

  const auto guest = Get(*client, "guests/web", std::nullopt);

  ASSERT_THAT(guest, IsOk());
  EXPECT_EQ(guest->requested_by(), "server/s1");
  EXPECT_FALSE(guests_->last_info().delegation.has_value());
}

TEST_F(GrpcAgentClientTest, CallThatIsNotAnsweredEndsWithItsTime) {
  const auto client = NewClient();
  v1::StopGuestRequest request;
  request.set_name("guests/web");
  absl::Notification done;
  absl::Status status;

  client->Call(kStop, request.SerializeAsString(), For("user/alice"),
               absl::Milliseconds(300),
               [&](const absl::StatusOr<std::string>& answer) {
                 status = answer.status();
                 done.Notify();
               });

  ASSERT_TRUE(done.WaitForNotificationWithTimeout(kPatience));
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_TRUE(IsUnreachable(status));
  // Without an answer the agent would not end.
  auto answer = guests_->TakePending();
  ASSERT_TRUE(answer);
  answer(google::longrunning::Operation());
}

TEST_F(GrpcAgentClientTest, AnswerComesAlsoAfterTheClientIsGone) {
  auto client = NewClient();
  v1::StopGuestRequest request;
  request.set_name("guests/web");
  absl::Notification done;
  absl::Status status = absl::UnknownError("");
  client->Call(kStop, request.SerializeAsString(), For("user/alice"), kPatience,
               [&](const absl::StatusOr<std::string>& answer) {
                 status = answer.status();
                 done.Notify();
               });
  auto answer = guests_->TakePending();
  ASSERT_TRUE(answer);

  client = nullptr;
  answer(google::longrunning::Operation());

  ASSERT_TRUE(done.WaitForNotificationWithTimeout(kPatience));
  EXPECT_THAT(status, IsOk());
}

TEST_F(GrpcAgentClientTest, AgentThatIsNotThereIsUnreachable) {
  const auto client = NewClient();
  agent_->runner().Stop(absl::ZeroDuration());

  const absl::Status status =
      Get(*client, "guests/web", For("user/alice"), absl::Seconds(2)).status();

  EXPECT_TRUE(IsUnreachable(status)) << status;
  EXPECT_EQ(DetailsOf(status).reason, "");
}

TEST_F(GrpcAgentClientTest, AddressThatIsNoneIsRefused) {
  EnrolledHost host;
  host.name = "h1";
  for (const char* address : {"", "h1", ":7440", "h1:", "h1/x:1"}) {
    host.address = address;
    EXPECT_THAT(GrpcAgentClient::Create(host, agent_->ClientTls("server/s1")),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << address;
  }
}

TEST_F(GrpcAgentClientTest, InventoryIsStreamed) {
  const auto client = NewClient();
  absl::Notification host;
  absl::Notification end;
  AgentClient::InventoryHandler handler;
  handler.on_message = [&](const agent::v1::WatchInventoryResponse& message) {
    EXPECT_EQ(message.host().name(), "hosts/h1");
    host.Notify();
  };
  handler.on_end = [&](const absl::Status&) { end.Notify(); };

  auto subscription = client->WatchInventory(std::move(handler));
  const auto writer = inventory_->TakeWriter();
  ASSERT_NE(writer, nullptr);
  agent::v1::WatchInventoryResponse message;
  message.mutable_host()->set_name("hosts/h1");
  writer->Write(message);

  ASSERT_TRUE(host.WaitForNotificationWithTimeout(kPatience));
  subscription = nullptr;
  EXPECT_TRUE(end.WaitForNotificationWithTimeout(kPatience));
}

}  // namespace
}  // namespace innkeeper
