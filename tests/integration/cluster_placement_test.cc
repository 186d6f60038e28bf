// More launches at once than there is room for, through the server: exactly as
// many run as fit, and the others are told why, host by host.
#include <atomic>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "base/uuid.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/caller.h"
#include "tests/integration/cluster_lab.h"
#include "tests/integration/guest_checks.h"

namespace innkeeper {
namespace {

using google::longrunning::Operation;
using testing::HasSubstr;
using testing::SizeIs;

constexpr int kLaunches = 32;
constexpr int kRoom = 20;
constexpr int kHosts = 2;
constexpr int64_t kGuestBytes = 32 << 20;

class ClusterPlacementTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_THAT(cluster_.Start(kHosts, kRoom / kHosts * kGuestBytes), IsOk());
    for (int i = 0; i < kLaunches; ++i) {
      v1::LaunchGuestRequest request =
          PausedGuest(absl::StrCat("idle-", i), "user/tenant-a");
      request.mutable_guest()->mutable_spec()->set_memory_bytes(kGuestBytes);
      request.set_request_id(MakeUuid());
      requests_.push_back(std::move(request));
    }
    outcomes_.assign(kLaunches, absl::UnknownError("not sent"));
  }

  // Sends every request at once, each until it is answered, and waits for what
  // comes of it.
  void LaunchAll() {
    const Caller caller = cluster_.As("user/operator");
    std::vector<std::thread> threads;
    threads.reserve(kLaunches);
    for (int i = 0; i < kLaunches; ++i) {
      threads.emplace_back([&, i] {
        outcomes_[i] = Insist(caller, [&]() -> absl::StatusOr<Operation> {
          absl::StatusOr<Operation> begun = caller.Launch(requests_[i]);
          if (!begun.ok()) return begun;
          return caller.Wait(begun->name());
        });
      });
    }
    during_();
    for (std::thread& thread : threads) thread.join();
  }

  // Exactly kRoom guests run, half on each host, listed once and there once;
  // the other requests were refused with the numbers of every host.
  void CheckOutcomes() {
    std::set<std::string> operations;
    for (const absl::StatusOr<Operation>& outcome : outcomes_) {
      if (outcome.ok()) {
        EXPECT_FALSE(outcome->has_error()) << outcome->ShortDebugString();
        operations.insert(outcome->name());
      } else {
        CheckRefusal(outcome.status());
      }
    }
    EXPECT_THAT(operations, SizeIs(kRoom));
    CheckGuests();
  }

  void CheckRefusal(const absl::Status& status) {
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted));
    EXPECT_THAT(status, HasReason(reason::kCapacityExhausted));
    std::map<std::string, std::string> metadata;
    for (const auto& [key, value] : DetailsOf(status).metadata) {
      metadata[key] = value;
    }
    for (int i = 0; i < kHosts; ++i) {
      EXPECT_THAT(metadata["host." + cluster_.host(i).name()],
                  HasSubstr("memory: asked 32 MiB, free 0 MiB of 320 MiB"));
    }
  }

  void CheckGuests() {
    const Caller caller = cluster_.As("user/operator");
    const absl::StatusOr<std::vector<v1::Guest>> listed = caller.List();
    ASSERT_THAT(listed, IsOk());
    EXPECT_THAT(*listed, SizeIs(kRoom));
    std::set<int64_t> pids;
    for (const v1::Guest& guest : *listed) {
      EXPECT_EQ(guest.state(), v1::Guest::PAUSED) << guest.ShortDebugString();
      EXPECT_TRUE(Lives(guest.process().pid()));
      pids.insert(guest.process().pid());
    }
    EXPECT_THAT(pids, SizeIs(kRoom));
    for (int i = 0; i < kHosts; ++i) {
      const absl::StatusOr<std::vector<v1::Guest>> there =
          cluster_.host(i).AsRoot().List();
      ASSERT_THAT(there, IsOk());
      EXPECT_THAT(*there, SizeIs(kRoom / kHosts));
    }
  }

  ClusterLab cluster_;
  std::vector<v1::LaunchGuestRequest> requests_;
  std::vector<absl::StatusOr<Operation>> outcomes_;
  // What happens while the requests are under way.
  std::function<void()> during_ = [] {};
};

TEST_F(ClusterPlacementTest, AsManyRunAsThereIsRoomForAndTheRestAreToldWhy) {
  LaunchAll();

  CheckOutcomes();
}

TEST_F(ClusterPlacementTest, AServerThatIsKilledMidwayPromisesNothingTwice) {
  cluster_.KillServer();
  // Its promise is durable, and nobody has been told of it.
  cluster_.ArmFailpoint("server.reserve.after_commit#10");
  ASSERT_THAT(cluster_.StartServer(), IsOk());
  during_ = [&] {
    EXPECT_TRUE(Eventually([&] { return cluster_.FailpointReached(); }));
    EXPECT_THAT(cluster_.StartServer(), IsOk());
  };

  LaunchAll();

  CheckOutcomes();
  // Who asks again is told the same.
  const std::vector<absl::StatusOr<Operation>> first = outcomes_;
  during_ = [] {};
  LaunchAll();
  for (int i = 0; i < kLaunches; ++i) {
    ASSERT_EQ(outcomes_[i].ok(), first[i].ok()) << outcomes_[i].status();
    if (!first[i].ok()) continue;
    EXPECT_EQ(outcomes_[i]->name(), first[i]->name());
  }
  CheckGuests();
}

}  // namespace
}  // namespace innkeeper
