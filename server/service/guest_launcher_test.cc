#include "server/service/guest_launcher.h"

#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/barrier.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "auth/testing/permit_for_test.h"
#include "base/error.h"
#include "base/event_loop.h"
#include "base/executor.h"
#include "base/reason.h"
#include "base/testing/fake_clock.h"
#include "base/testing/status_matchers.h"
#include "base/uuid.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/hosts/testing/fake_agent_client.h"
#include "server/store/memory_store.h"

namespace innkeeper {
namespace {

using google::longrunning::Operation;
using testing::HasSubstr;
using testing::Pair;
using testing::UnorderedElementsAre;

constexpr absl::Duration kPatience = absl::Seconds(20);
constexpr int kWorkers = 4;
constexpr int64_t kGib = int64_t{1} << 30;

// A server's parts on a store; a new one on the same store is a restart.
class Cluster {
 public:
  Cluster(MemoryStore* store, const Clock* clock,
          const std::vector<FakeAgent*>& agents)
      : loop_("test"), executor_("worker", kWorkers, 1024) {
    log_ = *ServerLog::Create(store, clock);
    AgentLink::Timing timing;
    timing.shortest_pause = absl::Milliseconds(5);
    timing.longest_pause = absl::Milliseconds(20);
    inventory_ = std::make_unique<Inventory>(Inventory::Parts{
        &loop_, log_.get(), clock,
        [agents](const EnrolledHost& host)
            -> absl::StatusOr<std::unique_ptr<AgentClient>> {
          return agents[static_cast<size_t>(host.name.back() - '1')]
              ->NewClient();
        },
        timing});
    OperationManager::Options options;
    options.clock = clock;
    operations_ = *OperationManager::Create(store, &loop_, options);
    ledger_ = std::make_unique<RequestLedger>(store, clock);
    claims_ = std::make_unique<GuestClaims>(store, inventory_.get());
    OperationRunner::Parts parts{
        &loop_,           &executor_,    operations_.get(),
        inventory_.get(), claims_.get(), clock};
    parts.shortest_pause = absl::Milliseconds(5);
    parts.longest_pause = absl::Milliseconds(20);
    runner_ = std::make_unique<OperationRunner>(parts);
    launcher_ = std::make_unique<GuestLauncher>(GuestLauncher::Parts{
        &executor_, store, operations_.get(), ledger_.get(), inventory_.get(),
        claims_.get(), runner_.get()});
    for (size_t i = 0; i < agents.size(); ++i) {
      EnrolledHost host;
      host.name = absl::StrCat("h", i + 1);
      inventory_->AddHost(host);
    }
  }

  ~Cluster() {
    // Launches that were answered may still be on a worker.
    const auto idle = std::make_shared<absl::Barrier>(kWorkers + 1);
    for (int i = 0; i < kWorkers; ++i) {
      const absl::Status submitted =
          executor_.Submit([idle] { idle->Block(); });
      if (!submitted.ok()) abort();
    }
    idle->Block();
    runner_ = nullptr;
    inventory_ = nullptr;
  }

  // Whether every host is up within a while.
  bool AwaitUp() {
    return Await([&] {
      for (const v1::Host& host : inventory_->Hosts()) {
        if (host.state() != v1::Host::UP) return false;
      }
      return true;
    });
  }

  absl::StatusOr<Operation> Launch(const v1::LaunchGuestRequest& request,
                                   const std::string& caller = "user/alice") {
    absl::Notification done;
    absl::StatusOr<Operation> answer = absl::UnknownError("");
    launcher_->Launch(PermitForTest(caller, "guests.launch", ""), request,
                      [&](absl::StatusOr<Operation> operation) {
                        answer = std::move(operation);
                        done.Notify();
                      });
    done.WaitForNotification();
    return answer;
  }

  absl::StatusOr<ClusterOperation> Wait(const std::string& name) {
    absl::Notification done;
    absl::StatusOr<ClusterOperation> answer = absl::UnknownError("");
    operations_->Wait(name, kPatience,
                      [&](absl::StatusOr<ClusterOperation> operation) {
                        answer = std::move(operation);
                        done.Notify();
                      });
    done.WaitForNotification();
    return answer;
  }

  template <typename Condition>
  static bool Await(Condition condition) {
    const absl::Time deadline = absl::Now() + kPatience;
    while (!condition()) {
      if (absl::Now() > deadline) return false;
      absl::SleepFor(absl::Milliseconds(2));
    }
    return true;
  }

  OperationManager& operations() { return *operations_; }
  OperationRunner& runner() { return *runner_; }
  Inventory& inventory() { return *inventory_; }
  GuestClaims& claims() { return *claims_; }

 private:
  EventLoop loop_;
  std::unique_ptr<ServerLog> log_;
  std::unique_ptr<Inventory> inventory_;
  std::unique_ptr<OperationManager> operations_;
  std::unique_ptr<RequestLedger> ledger_;
  std::unique_ptr<GuestClaims> claims_;
  std::unique_ptr<OperationRunner> runner_;
  std::unique_ptr<GuestLauncher> launcher_;
  // Last: its tasks use all of the above.
  Executor executor_;
};

v1::Host MakeHost(const std::string& id, int64_t memory_gib) {
  v1::Host host;
  host.set_name(absl::StrCat("hosts/", id));
  host.set_machine_id(id);
  host.add_machine_types("pc-q35-7.2");
  host.mutable_capacity()->set_memory_bytes(memory_gib * kGib);
  host.mutable_capacity()->set_vcpu_count(1000);
  return host;
}

v1::LaunchGuestRequest MakeRequest(const std::string& id) {
  v1::LaunchGuestRequest request;
  request.set_guest_id(id);
  request.mutable_guest()->mutable_spec()->set_vcpu_count(1);
  request.mutable_guest()->mutable_spec()->set_memory_bytes(kGib);
  return request;
}

class GuestLauncherTest : public testing::Test {
 protected:
  GuestLauncherTest() : h1_("h1"), h2_("h2") {
    h1_.SetHost(MakeHost("h1", 10));
    h2_.SetHost(MakeHost("h2", 10));
    Restart();
  }
  // As if the server had been killed and started again.
  void Restart() {
    cluster_ = nullptr;
    cluster_ = std::make_unique<Cluster>(&store_, &clock_,
                                         std::vector<FakeAgent*>{&h1_, &h2_});
  }

  MemoryStore store_;
  FakeClock clock_;
  FakeAgent h1_;
  FakeAgent h2_;
  std::unique_ptr<Cluster> cluster_;
};

TEST_F(GuestLauncherTest, GuestIsLaunchedOnceForItsCaller) {
  ASSERT_TRUE(cluster_->AwaitUp());

  const absl::StatusOr<Operation> operation =
      cluster_->Launch(MakeRequest("web"));
  ASSERT_THAT(operation, IsOk());
  const absl::StatusOr<ClusterOperation> done =
      cluster_->Wait(operation->name());

  ASSERT_THAT(done, IsOk());
  EXPECT_TRUE(done->done);
  EXPECT_THAT(done->error, IsOk());
  EXPECT_EQ(done->owner, "user/alice");
  EXPECT_EQ(h1_.launches().size() + h2_.launches().size(), 1u);
}

TEST_F(GuestLauncherTest, IdInUseIsRefused) {
  ASSERT_TRUE(cluster_->AwaitUp());
  ASSERT_THAT(cluster_->Launch(MakeRequest("web")), IsOk());

  EXPECT_THAT(cluster_->Launch(MakeRequest("web")),
              StatusIs(absl::StatusCode::kAlreadyExists));
}

TEST_F(GuestLauncherTest, RacingRetriesOfOneRequestAreOneLaunch) {
  ASSERT_TRUE(cluster_->AwaitUp());
  v1::LaunchGuestRequest request = MakeRequest("web");
  request.set_request_id(MakeUuid());
  std::vector<std::string> names(16);
  std::vector<std::thread> threads;
  threads.reserve(names.size());

  for (std::string& name : names) {
    threads.emplace_back([&] {
      const absl::StatusOr<Operation> operation = cluster_->Launch(request);
      if (operation.ok()) name = operation->name();
    });
  }
  for (std::thread& thread : threads) thread.join();

  EXPECT_THAT(names, testing::Each(names[0]));
  ASSERT_THAT(cluster_->Wait(names[0]), IsOk());
  EXPECT_EQ(h1_.launches().size() + h2_.launches().size(), 1u);
}

TEST_F(GuestLauncherTest, RequestIdOfAnotherRequestIsRefused) {
  ASSERT_TRUE(cluster_->AwaitUp());
  v1::LaunchGuestRequest request = MakeRequest("web");
  request.set_request_id(MakeUuid());
  ASSERT_THAT(cluster_->Launch(request), IsOk());
  request.set_guest_id("other");

  const absl::Status refused = cluster_->Launch(request).status();

  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(DetailsOf(refused).reason, reason::kRequestIdReused);
}

TEST_F(GuestLauncherTest, OfMoreLaunchesThanRoomExactlyTheRoomIsFilled) {
  ASSERT_TRUE(cluster_->AwaitUp());
  std::vector<absl::Status> results(32);
  std::vector<std::thread> threads;

  for (size_t i = 0; i < results.size(); ++i) {
    threads.emplace_back([this, i, &results] {
      results[i] = cluster_->Launch(MakeRequest(absl::StrCat("g", i))).status();
    });
  }
  for (std::thread& thread : threads) thread.join();

  int accepted = 0;
  for (const absl::Status& result : results) {
    if (result.ok()) {
      ++accepted;
      continue;
    }
    EXPECT_THAT(result, StatusIs(absl::StatusCode::kResourceExhausted,
                                 HasSubstr("h1")));
    EXPECT_THAT(result, StatusIs(absl::StatusCode::kResourceExhausted,
                                 HasSubstr("h2")));
  }
  EXPECT_EQ(accepted, 20);
}

TEST_F(GuestLauncherTest, FailedLaunchGivesItsIdAndRoomBack) {
  ASSERT_TRUE(cluster_->AwaitUp());
  const absl::Status failure = Error(absl::StatusCode::kFailedPrecondition,
                                     reason::kVolumeNotFound, "no such volume");
  h1_.SetLaunchError(failure);
  h2_.SetLaunchError(failure);
  v1::LaunchGuestRequest request = MakeRequest("web");
  request.mutable_guest()->mutable_spec()->set_memory_bytes(10 * kGib);

  for (int i = 0; i < 3; ++i) {
    const absl::StatusOr<Operation> operation = cluster_->Launch(request);
    ASSERT_THAT(operation, IsOk());
    const absl::StatusOr<ClusterOperation> done =
        cluster_->Wait(operation->name());
    ASSERT_THAT(done, IsOk());
    EXPECT_THAT(done->error, StatusIs(absl::StatusCode::kFailedPrecondition));
  }
}

TEST_F(GuestLauncherTest, LostAnswerDoesNotLaunchTwice) {
  ASSERT_TRUE(cluster_->AwaitUp());
  h1_.LoseNextAnswer();
  h2_.LoseNextAnswer();

  const absl::StatusOr<Operation> operation =
      cluster_->Launch(MakeRequest("web"));
  ASSERT_THAT(operation, IsOk());
  const absl::StatusOr<ClusterOperation> done =
      cluster_->Wait(operation->name());

  ASSERT_THAT(done, IsOk());
  EXPECT_THAT(done->error, IsOk());
  std::map<std::string, int> launches = h1_.launches();
  launches.merge(h2_.launches());
  EXPECT_THAT(launches,
              UnorderedElementsAre(Pair(operation->name().substr(11), 1)));
}

TEST_F(GuestLauncherTest, ServerThatRestartsGoesOnWithWhatItHadNotSent) {
  ASSERT_TRUE(cluster_->AwaitUp());
  h1_.SetUnreachable(true);
  h2_.SetUnreachable(true);
  const absl::StatusOr<Operation> operation =
      cluster_->Launch(MakeRequest("web"));
  ASSERT_THAT(operation, IsOk());

  Restart();
  h1_.SetUnreachable(false);
  h2_.SetUnreachable(false);
  cluster_->runner().ResumeAll();

  const absl::StatusOr<ClusterOperation> done =
      cluster_->Wait(operation->name());
  ASSERT_THAT(done, IsOk());
  EXPECT_THAT(done->error, IsOk());
  EXPECT_EQ(h1_.launches().size() + h2_.launches().size(), 1u);
}

TEST_F(GuestLauncherTest, ServerThatRestartsDoesNotSendAgainWhatWasDone) {
  ASSERT_TRUE(cluster_->AwaitUp());
  const absl::StatusOr<Operation> operation =
      cluster_->Launch(MakeRequest("web"));
  ASSERT_THAT(operation, IsOk());
  ASSERT_TRUE(Cluster::Await(
      [&] { return h1_.launches().size() + h2_.launches().size() == 1u; }));

  for (int i = 0; i < 3; ++i) {
    Restart();
    cluster_->runner().ResumeAll();
    ASSERT_THAT(cluster_->Wait(operation->name()), IsOk());
  }

  std::map<std::string, int> launches = h1_.launches();
  launches.merge(h2_.launches());
  EXPECT_THAT(launches,
              UnorderedElementsAre(Pair(operation->name().substr(11), 1)));
}

TEST_F(GuestLauncherTest, CallerWithoutTheRightCannotLaunchForOthers) {
  ASSERT_TRUE(cluster_->AwaitUp());
  v1::LaunchGuestRequest request = MakeRequest("web");
  request.mutable_guest()->set_owner("user/bob");
  absl::Notification done;
  absl::Status refused;
  const Permit permit = PermitForTest("user/alice", "guests.launch", "", "own");

  GuestLauncher launcher(GuestLauncher::Parts{});
  launcher.Launch(permit, request,
                  [&](const absl::StatusOr<Operation>& answer) {
                    refused = answer.status();
                    done.Notify();
                  });

  ASSERT_TRUE(done.WaitForNotificationWithTimeout(kPatience));
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kPermissionDenied));
}

}  // namespace
}  // namespace innkeeper
