#include "server/service/guest_reconciler.h"

#include <memory>
#include <string>

#include "base/event_loop.h"
#include "base/executor.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "innkeeper/v1/guests.grpc.pb.h"
#include "server/service/guest_claims.h"
#include "server/service/testing/test_cluster.h"

namespace innkeeper {
namespace {

constexpr absl::Duration kGrace = absl::Milliseconds(50);

// Claims are looked at in the order of their ids: once "z-gone" is given up, it
// is decided what becomes of those before it.
class GuestReconcilerTest : public testing::Test {
 protected:
  GuestReconcilerTest() { Begin(TestCluster::Options()); }

  void Begin(const TestCluster::Options& options) {
    cluster_ = nullptr;
    cluster_ = std::make_unique<TestCluster>(options);
    reconciler_ = std::make_unique<GuestReconciler>(GuestReconciler::Parts{
        &cluster_->loop(), &cluster_->executor(), &cluster_->operations(),
        &cluster_->inventory(), &cluster_->claims(), kGrace});
  }
  v1::Guest Launch(const std::string& id, const std::string& host) {
    return cluster_->MustLaunch(id, "user/alice", host);
  }
  // Deleted at its host, past the server.
  void DropAt(FakeAgent& agent, const v1::Guest& guest) {
    agent.RemoveGuest(guest.uid());
    EXPECT_TRUE(cluster_->Await([&] {
      return cluster_->inventory().table().FindByUid(guest.uid()) == nullptr;
    }));
  }
  void Look(const std::string& host) {
    cluster_->loop().PostAndWait([&] { reconciler_->Look(host); });
  }
  bool IsFree(const std::string& id) {
    return cluster_->claims().CheckFree(id).ok();
  }
  bool AwaitFree(const std::string& id) {
    return cluster_->Await([&] { return IsFree(id); });
  }

  // It outlives the tasks of loop and executor, which the cluster has.
  std::unique_ptr<GuestReconciler> reconciler_;
  std::unique_ptr<TestCluster> cluster_;
};

TEST_F(GuestReconcilerTest, GuestDeletedAtItsHostGivesUpItsIdAndItsRoom) {
  TestCluster::Options options;
  options.memory_bytes = int64_t{1} << 30;
  Begin(options);
  const v1::Guest gone = Launch("z-gone", "hosts/h1");
  DropAt(cluster_->h1(), gone);
  ASSERT_FALSE(IsFree("z-gone"));

  Look("h1");

  EXPECT_TRUE(AwaitFree("z-gone"));
  EXPECT_EQ(Launch("next", "hosts/h1").host(), "hosts/h1");
}

TEST_F(GuestReconcilerTest, GuestThatIsThereKeepsItsId) {
  Launch("a-there", "hosts/h1");
  const v1::Guest gone = Launch("z-gone", "hosts/h1");
  DropAt(cluster_->h1(), gone);
  // So that the table no longer says what the claim does.
  Look("h1");

  ASSERT_TRUE(AwaitFree("z-gone"));
  EXPECT_FALSE(IsFree("a-there"));
}

TEST_F(GuestReconcilerTest, GuestThatComesBackInTimeKeepsItsId) {
  v1::Guest back = Launch("a-back", "hosts/h1");
  const v1::Guest gone = Launch("z-gone", "hosts/h1");
  DropAt(cluster_->h1(), back);
  DropAt(cluster_->h1(), gone);

  // On the loop, so that the grace cannot be over before it is back.
  cluster_->loop().PostAndWait([&] {
    reconciler_->Look("h1");
    cluster_->h1().AddGuest(back);
  });

  ASSERT_TRUE(AwaitFree("z-gone"));
  cluster_->h1().RemoveGuest(back.uid());
  ASSERT_TRUE(cluster_->Await([&] {
    return cluster_->inventory().table().FindByUid(back.uid()) == nullptr;
  }));
  EXPECT_FALSE(IsFree("a-back"));
}

TEST_F(GuestReconcilerTest, GuestThatAnOperationIsAboutKeepsItsId) {
  const v1::Guest busy = Launch("a-busy", "hosts/h1");
  const v1::Guest gone = Launch("z-gone", "hosts/h1");
  cluster_->h1().HoldOperations("stopping");
  v1::StopGuestRequest stop;
  stop.set_name("guests/a-busy");
  const auto operation =
      cluster_->Call("user/alice", &v1::Guests::Stub::StopGuest, stop);
  ASSERT_THAT(operation, IsOk());
  DropAt(cluster_->h1(), busy);
  DropAt(cluster_->h1(), gone);

  Look("h1");

  ASSERT_TRUE(AwaitFree("z-gone"));
  EXPECT_FALSE(IsFree("a-busy"));
  cluster_->h1().ReleaseOperations();
  ASSERT_THAT(cluster_->Wait(operation->name()), IsOk());
  Look("h1");
  EXPECT_TRUE(AwaitFree("a-busy"));
}

TEST_F(GuestReconcilerTest, NothingIsGivenUpOfAHostThatIsAway) {
  TestCluster::Options options;
  options.silence = absl::Seconds(1);
  Begin(options);
  const v1::Guest kept = Launch("a-kept", "hosts/h1");
  const v1::Guest gone = Launch("z-gone", "hosts/h2");
  DropAt(cluster_->h1(), kept);
  DropAt(cluster_->h2(), gone);
  cluster_->h1().SetUnreachable(true);
  ASSERT_TRUE(cluster_->AwaitHost("h1", v1::Host::UNREACHABLE));

  Look("h1");
  Look("h2");

  ASSERT_TRUE(AwaitFree("z-gone"));
  EXPECT_FALSE(IsFree("a-kept"));
}

}  // namespace
}  // namespace innkeeper
