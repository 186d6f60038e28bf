#include "server/hosts/inventory_reader.h"

#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rpc/testing/test_server.h"
#include "server/hosts/testing/fake_inventory.h"

namespace innkeeper {
namespace {

using agent::v1::WatchInventoryResponse;
using testing::AllOf;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr absl::Duration kPatience = absl::Seconds(10);

WatchInventoryResponse Removed(const std::string& uid) {
  WatchInventoryResponse response;
  response.set_removed_guest_uid(uid);
  return response;
}

// What a handler was told.
class Heard {
 public:
  AgentClient::InventoryHandler Handler() {
    AgentClient::InventoryHandler handler;
    handler.on_message = [this](const WatchInventoryResponse& message) {
      absl::MutexLock lock(&mutex_);
      EXPECT_EQ(ends_, 0) << "a message after the end";
      uids_.push_back(message.removed_guest_uid());
    };
    handler.on_end = [this](absl::Status status) {
      absl::MutexLock lock(&mutex_);
      ++ends_;
      status_ = std::move(status);
    };
    return handler;
  }
  bool AwaitEnd() {
    absl::MutexLock lock(&mutex_);
    const auto ended = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return ends_ > 0;
    };
    return mutex_.AwaitWithTimeout(absl::Condition(&ended), kPatience);
  }
  bool AwaitMessages(size_t count) {
    absl::MutexLock lock(&mutex_);
    const auto there = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return uids_.size() >= count;
    };
    return mutex_.AwaitWithTimeout(absl::Condition(&there), kPatience);
  }
  std::vector<std::string> uids() {
    absl::MutexLock lock(&mutex_);
    return uids_;
  }
  absl::Status status() {
    absl::MutexLock lock(&mutex_);
    return status_;
  }
  int ends() {
    absl::MutexLock lock(&mutex_);
    return ends_;
  }

 private:
  absl::Mutex mutex_;
  std::vector<std::string> uids_ ABSL_GUARDED_BY(mutex_);
  int ends_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

class InventoryReaderTest : public testing::Test {
 protected:
  InventoryReaderTest() {
    TestServer::Options options;
    options.services = {"innkeeper.agent.v1.Inventory"};
    options.make = [this](Gate* gate) {
      auto inventory = std::make_unique<FakeInventory>(gate);
      inventory_ = inventory.get();
      std::vector<std::unique_ptr<grpc::Service>> services;
      services.push_back(std::move(inventory));
      return services;
    };
    server_ = std::make_unique<TestServer>(std::move(options));
  }
  std::unique_ptr<AgentClient::Subscription> Read(const std::string& caller) {
    return ReadInventory(
        agent::v1::Inventory::NewStub(server_->Channel(caller)),
        heard_.Handler());
  }

  Heard heard_;
  FakeInventory* inventory_ = nullptr;
  std::unique_ptr<TestServer> server_;
};

TEST_F(InventoryReaderTest, NobodyButAServerMayRead) {
  const auto subscription = Read("user/root");

  ASSERT_TRUE(heard_.AwaitEnd());
  EXPECT_THAT(heard_.status(),
              AllOf(StatusIs(absl::StatusCode::kPermissionDenied),
                    HasReason(reason::kPermissionDenied)));
  EXPECT_THAT(heard_.uids(), IsEmpty());
}

TEST_F(InventoryReaderTest, MessagesComeInOrderAndThenTheEnd) {
  const auto subscription = Read("server/s2");
  const auto writer = inventory_->TakeWriter();
  ASSERT_NE(writer, nullptr);

  writer->Write(Removed("1"));
  writer->Write(Removed("2"));
  writer->Write(Removed("3"));
  writer->Finish(Error(absl::StatusCode::kUnavailable, reason::kShuttingDown,
                       "the agent is stopping"));

  ASSERT_TRUE(heard_.AwaitEnd());
  EXPECT_THAT(heard_.uids(), ElementsAre("1", "2", "3"));
  EXPECT_THAT(heard_.status(), AllOf(StatusIs(absl::StatusCode::kUnavailable,
                                              "the agent is stopping"),
                                     HasReason(reason::kShuttingDown)));
}

TEST_F(InventoryReaderTest, StreamEndsOnceWithItsSubscription) {
  auto subscription = Read("server/s2");
  const auto writer = inventory_->TakeWriter();
  ASSERT_NE(writer, nullptr);
  writer->Write(Removed("1"));
  ASSERT_TRUE(heard_.AwaitMessages(1));

  subscription = nullptr;

  ASSERT_TRUE(heard_.AwaitEnd());
  EXPECT_THAT(heard_.status(), StatusIs(absl::StatusCode::kCancelled));
  const absl::Time limit = absl::Now() + kPatience;
  while (inventory_->cancelled() == 0 && absl::Now() < limit) {
    std::this_thread::yield();
  }
  EXPECT_EQ(inventory_->cancelled(), 1);
  EXPECT_FALSE(writer->Write(Removed("2")));
  EXPECT_EQ(heard_.ends(), 1);
}

TEST_F(InventoryReaderTest, SubscriptionMayOutliveItsStream) {
  auto subscription = Read("server/s2");
  const auto writer = inventory_->TakeWriter();
  ASSERT_NE(writer, nullptr);
  writer->Finish(absl::OkStatus());
  ASSERT_TRUE(heard_.AwaitEnd());

  subscription = nullptr;

  EXPECT_THAT(heard_.status(), IsOk());
  EXPECT_EQ(heard_.ends(), 1);
}

TEST_F(InventoryReaderTest, AgentThatIsGoneEndsTheStreamWithoutAReason) {
  const auto subscription = Read("server/s2");
  ASSERT_NE(inventory_->TakeWriter(), nullptr);

  server_ = nullptr;

  ASSERT_TRUE(heard_.AwaitEnd());
  EXPECT_TRUE(IsUnreachable(heard_.status())) << heard_.status();
}

}  // namespace
}  // namespace innkeeper
