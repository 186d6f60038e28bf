#include "server/inventory/cluster_resolver.h"

#include <memory>
#include <string>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/event_loop.h"
#include "base/testing/fake_clock.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/hosts/testing/fake_agent_client.h"
#include "server/store/memory_store.h"

namespace innkeeper {
namespace {

using testing::ElementsAre;
using testing::Pair;

constexpr char kOperation[] = "operations/3f2504e0-4f89-41d3-9a0c-0305e82c3301";
constexpr char kUid[] = "3f2504e0-4f89-41d3-9a0c-0305e82c3302";

// hosts/h1 with guests/web of user/alice, and an operation on it.
class ClusterResolverTest : public testing::Test {
 protected:
  ClusterResolverTest()
      : log_(*ServerLog::Create(&store_, &clock_)),
        inventory_({&loop_, log_.get(), &clock_,
                    [this](const EnrolledHost&) { return agent_.NewClient(); },
                    AgentLink::Timing()}),
        operations_(*OperationManager::Create(&store_, &loop_, {})),
        resolver_(&inventory_, operations_.get()) {
    v1::Host host;
    (*host.mutable_labels())["rack"] = "7";
    agent_.SetHost(host);
    v1::Guest guest;
    guest.set_name("guests/web");
    guest.set_uid(kUid);
    guest.set_owner("user/alice");
    (*guest.mutable_labels())["tier"] = "front";
    agent_.AddGuest(guest);
    EnrolledHost enrolled;
    enrolled.name = "h1";
    inventory_.AddHost(enrolled);
    const absl::Time limit = absl::Now() + absl::Seconds(10);
    while (inventory_.table().Find("guests/web") == nullptr &&
           absl::Now() < limit) {
      absl::SleepFor(absl::Milliseconds(1));
    }
    ClusterOperation operation;
    operation.name = kOperation;
    operation.method = "innkeeper.v1.Guests/StopGuest";
    operation.caller = "user/op";
    operation.owner = "user/alice";
    operation.host = "h1";
    EXPECT_THAT(operations_->Start(operation), IsOk());
  }

  EventLoop loop_{"test"};
  MemoryStore store_;
  FakeClock clock_;
  FakeAgent agent_{"h1"};
  std::unique_ptr<ServerLog> log_;
  Inventory inventory_;
  std::unique_ptr<OperationManager> operations_;
  ClusterResolver resolver_;
};

TEST_F(ClusterResolverTest, WhatIsNotThereIsAbsent) {
  for (const char* name :
       {"guests/other", "hosts/h2", "web", "", "guests/", "pools/main",
        "operations/3f2504e0-4f89-41d3-9a0c-0305e82c3309"}) {
    EXPECT_THAT(resolver_.Resolve(name), StatusIs(absl::StatusCode::kNotFound))
        << name;
  }
}

TEST_F(ClusterResolverTest, GuestHasItsOwnerItsHostAndItsLabels) {
  const auto attributes = resolver_.Resolve("guests/web");

  ASSERT_THAT(attributes, IsOk());
  EXPECT_EQ(attributes->name, "guests/web");
  EXPECT_EQ(attributes->owner, "user/alice");
  EXPECT_EQ(attributes->host, "hosts/h1");
  EXPECT_THAT(attributes->labels, ElementsAre(Pair("tier", "front")));
}

TEST_F(ClusterResolverTest, HostHasItsLabelsAndNoOwner) {
  const auto attributes = resolver_.Resolve("hosts/h1");

  ASSERT_THAT(attributes, IsOk());
  EXPECT_EQ(attributes->name, "hosts/h1");
  EXPECT_EQ(attributes->host, "hosts/h1");
  EXPECT_EQ(attributes->owner, "");
  EXPECT_THAT(attributes->labels, ElementsAre(Pair("rack", "7")));
}

TEST_F(ClusterResolverTest, OperationBelongsToTheOwnerOfItsGuest) {
  const auto attributes = resolver_.Resolve(kOperation);

  ASSERT_THAT(attributes, IsOk());
  EXPECT_EQ(attributes->name, kOperation);
  EXPECT_EQ(attributes->owner, "user/alice");
  EXPECT_EQ(attributes->host, "hosts/h1");
}

}  // namespace
}  // namespace innkeeper
