#include "base/executor.h"

#include <atomic>

#include "absl/status/status.h"
#include "absl/synchronization/notification.h"
#include "base/testing/status_matchers.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

TEST(ExecutorTest, AcceptedWorkRunsBeforeItEnds) {
  std::atomic<int> ran{0};
  {
    Executor executor("test", 2, 100);
    for (int i = 0; i < 50; ++i) {
      ASSERT_THAT(executor.Submit([&] { ++ran; }), IsOk());
    }
  }
  EXPECT_EQ(ran, 50);
}

TEST(ExecutorTest, FullQueueRefusesAndSaysSo) {
  absl::Notification started;
  absl::Notification release;
  Executor executor("test", 1, 1);
  ASSERT_THAT(executor.Submit([&] {
    started.Notify();
    release.WaitForNotification();
  }),
              IsOk());
  started.WaitForNotification();
  ASSERT_THAT(executor.Submit([] {}), IsOk());

  EXPECT_THAT(executor.Submit([] {}),
              StatusIs(absl::StatusCode::kResourceExhausted));

  release.Notify();
}

}  // namespace
}  // namespace innkeeper
