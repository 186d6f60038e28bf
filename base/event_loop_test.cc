#include "base/event_loop.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using testing::ElementsAre;

TEST(EventLoopTest, PostedTasksRunInOrderOnTheLoopThread) {
  EventLoop loop("test");
  std::vector<int> order;
  bool on_loop = false;

  loop.Post([&] { order.push_back(1); });
  loop.Post([&] { order.push_back(2); });
  loop.PostAndWait([&] { on_loop = loop.OnLoopThread(); });

  EXPECT_THAT(order, ElementsAre(1, 2));
  EXPECT_TRUE(on_loop);
  EXPECT_FALSE(loop.OnLoopThread());
}

TEST(EventLoopTest, ReadableDescriptorWakesItsCallback) {
  EventLoop loop("test");
  int pipe_fds[2];
  ASSERT_EQ(pipe(pipe_fds), 0);
  const UniqueFd reader(pipe_fds[0]);
  const UniqueFd writer(pipe_fds[1]);
  absl::Notification readable;
  loop.PostAndWait([&] {
    loop.Watch(reader.get(), EPOLLIN, [&](uint32_t events) {
      EXPECT_TRUE(events & EPOLLIN);
      loop.Unwatch(reader.get());
      readable.Notify();
    });
  });

  ASSERT_EQ(write(writer.get(), "x", 1), 1);

  EXPECT_TRUE(readable.WaitForNotificationWithTimeout(absl::Seconds(10)));
}

TEST(EventLoopTest, TimersRunInTheOrderInWhichTheyAreDue) {
  EventLoop loop("test");
  std::vector<int> order;
  absl::Notification last;
  loop.PostAndWait([&] {
    loop.After(absl::Milliseconds(20), [&] {
      order.push_back(2);
      last.Notify();
    });
    loop.After(absl::Milliseconds(1), [&] { order.push_back(1); });
  });

  ASSERT_TRUE(last.WaitForNotificationWithTimeout(absl::Seconds(10)));
  EXPECT_THAT(order, ElementsAre(1, 2));
}

TEST(EventLoopTest, CancelledTimerDoesNotRun) {
  EventLoop loop("test");
  bool ran = false;
  absl::Notification later;
  loop.PostAndWait([&] {
    const EventLoop::TimerId timer =
        loop.After(absl::Milliseconds(1), [&] { ran = true; });
    loop.Cancel(timer);
    loop.After(absl::Milliseconds(10), [&] { later.Notify(); });
  });

  ASSERT_TRUE(later.WaitForNotificationWithTimeout(absl::Seconds(10)));
  EXPECT_FALSE(ran);
}

TEST(EventLoopTest, DescriptorNumberUsedAgainGetsNoOldEvents) {
  EventLoop loop("test");
  int first[2];
  int second[2];
  ASSERT_EQ(pipe(first), 0);
  ASSERT_EQ(pipe(second), 0);
  int stale_calls = 0;
  absl::Notification done;
  // Both become readable in one round; the callback that runs first takes the
  // other's number away and watches an idle pipe under it.
  auto on_event = [&](int other_slot, int self, int other) {
    return [&, other_slot, self, other](uint32_t) {
      (void)other_slot;
      loop.Unwatch(self);
      loop.Unwatch(other);
      int idle[2];
      ASSERT_EQ(pipe(idle), 0);
      ASSERT_EQ(dup2(idle[0], other), other);
      loop.Watch(other, EPOLLIN, [&](uint32_t) { ++stale_calls; });
      loop.After(absl::Milliseconds(5), [&, other] {
        loop.Unwatch(other);
        done.Notify();
      });
    };
  };
  loop.PostAndWait([&] {
    ASSERT_EQ(write(first[1], "x", 1), 1);
    ASSERT_EQ(write(second[1], "x", 1), 1);
    loop.Watch(first[0], EPOLLIN, on_event(1, first[0], second[0]));
    loop.Watch(second[0], EPOLLIN, on_event(0, second[0], first[0]));
  });

  ASSERT_TRUE(done.WaitForNotificationWithTimeout(absl::Seconds(10)));
  EXPECT_EQ(stale_calls, 0);
}

}  // namespace
}  // namespace innkeeper
