#include "agent/launch/testing/fake_spawner.h"

#include <poll.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "agent/launch/context_offer.h"
#include "agent/launch/launch_context.h"
#include "base/event_loop.h"
#include "base/file.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

LaunchPlan Plan(const std::string& guest) {
  LaunchPlan plan;
  plan.guest = guest;
  plan.uid = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
  plan.argv = {"/usr/bin/qemu-system-x86_64"};
  plan.limits = {64 << 20, 0, 16};
  return plan;
}

class FakeSpawnerTest : public testing::Test {
 protected:
  absl::StatusOr<Launched> Launch(const std::string& guest) {
    absl::StatusOr<Launched> result = absl::UnknownError("unanswered");
    absl::Notification answered;
    spawner_.Launch(Plan(guest), [&](absl::StatusOr<Launched> launched) {
      EXPECT_TRUE(loop_.OnLoopThread());
      result = std::move(launched);
      answered.Notify();
    });
    EXPECT_TRUE(answered.WaitForNotificationWithTimeout(absl::Seconds(10)));
    return result;
  }
  absl::Status Release(const std::string& guest) {
    absl::Status result = absl::UnknownError("unanswered");
    absl::Notification answered;
    spawner_.Release(guest, [&](absl::Status status) {
      result = std::move(status);
      answered.Notify();
    });
    EXPECT_TRUE(answered.WaitForNotificationWithTimeout(absl::Seconds(10)));
    return result;
  }

  EventLoop loop_{"test"};
  FakeSpawner spawner_{&loop_};
};

TEST_F(FakeSpawnerTest, ContextIsHeldToWhatIsOffered) {
  LaunchPlan plan = Plan("a");
  plan.context.identity = IdentityKind::kNamed;
  plan.context.identity_name = "build";
  const auto launch = [&] {
    absl::Status result;
    absl::Notification answered;
    spawner_.Launch(plan, [&](absl::StatusOr<Launched> launched) {
      result = launched.status();
      answered.Notify();
    });
    answered.WaitForNotification();
    return result;
  };

  EXPECT_THAT(launch(), HasReason(reason::kContextUnavailable));
  ContextOffer offer;
  offer.identities = {"build"};
  spawner_.SetOffer(offer);
  EXPECT_THAT(launch(), IsOk());
  absl::Notification answered;
  spawner_.Offer([&](absl::StatusOr<ContextOffer> offered) {
    ASSERT_THAT(offered, IsOk());
    EXPECT_THAT(offered->identities, ElementsAre("build"));
    answered.Notify();
  });
  answered.WaitForNotification();
}

TEST_F(FakeSpawnerTest, GuestIdIsTakenUntilReleased) {
  ASSERT_THAT(Launch("a"), IsOk());

  EXPECT_THAT(Launch("a"), HasReason(reason::kGuestExists));
  EXPECT_THAT(Release("a"), IsOk());
  EXPECT_THAT(Release("a"), IsOk());
  EXPECT_THAT(Launch("a"), IsOk());
}

TEST_F(FakeSpawnerTest, PidfdBecomesReadableWhenTheGuestExits) {
  const absl::StatusOr<Launched> launched = Launch("a");
  ASSERT_THAT(launched, IsOk());
  pollfd poll_fd = {launched->pidfd.get(), POLLIN, 0};
  ASSERT_EQ(poll(&poll_fd, 1, 0), 0);

  spawner_.Exit("a");

  EXPECT_EQ(poll(&poll_fd, 1, 10000), 1);
}

TEST_F(FakeSpawnerTest, ScriptedFaultAnswersOnceAndLeavesNothing) {
  spawner_.FailNext(FakeSpawner::Call::kLaunch,
                    absl::InternalError("scripted"));

  EXPECT_THAT(Launch("a"), StatusIs(absl::StatusCode::kInternal));
  EXPECT_THAT(spawner_.guests(), IsEmpty());
  EXPECT_THAT(Launch("a"), IsOk());
  EXPECT_THAT(spawner_.guests(), ElementsAre("a"));
}

TEST_F(FakeSpawnerTest, OpenImageGivesTheContentAndRefusesTheUnknown) {
  spawner_.AddImage("disks", "a.img", "content");
  absl::StatusOr<UniqueFd> known = absl::UnknownError("unanswered");
  absl::StatusOr<UniqueFd> unknown = absl::UnknownError("unanswered");
  absl::Notification answered;

  spawner_.OpenImage("disks", "a.img", [&](absl::StatusOr<UniqueFd> fd) {
    known = std::move(fd);
  });
  spawner_.OpenImage("disks", "b.img", [&](absl::StatusOr<UniqueFd> fd) {
    unknown = std::move(fd);
    answered.Notify();
  });

  ASSERT_TRUE(answered.WaitForNotificationWithTimeout(absl::Seconds(10)));
  ASSERT_THAT(known, IsOk());
  EXPECT_THAT(ReadAll(known->get(), 100), IsOkAndHolds(std::string("content")));
  EXPECT_THAT(unknown, HasReason(reason::kVolumeNotFound));
}

TEST_F(FakeSpawnerTest, LostLauncherIsToldOnceAndAnswersUnavailable) {
  int told = 0;
  spawner_.SetDisconnectHandler([&] { ++told; });

  spawner_.Disconnect();
  spawner_.Disconnect();

  EXPECT_THAT(Launch("a"), HasReason(reason::kLauncherUnavailable));
  EXPECT_EQ(told, 1);
}

}  // namespace
}  // namespace innkeeper
