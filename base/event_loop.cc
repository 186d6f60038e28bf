#include "base/event_loop.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "base/log.h"

namespace innkeeper {
namespace {

constexpr int kEventsPerWait = 64;

int64_t SteadyNanos() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1000000000 + now.tv_nsec;
}

// A loop without its two descriptors cannot do anything at all.
void DieWithoutDescriptors(int fd) {
  if (fd >= 0) return;
  LogError("event_loop.create", {{"errno", errno}});
  abort();
}

}  // namespace

EventLoop::EventLoop(absl::string_view name)
    : epoll_(epoll_create1(EPOLL_CLOEXEC)),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  DieWithoutDescriptors(epoll_.get());
  DieWithoutDescriptors(wake_.get());
  epoll_event event = {};
  event.events = EPOLLIN;
  event.data.fd = wake_.get();
  epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &event);
  thread_ = std::thread([this] { Run(); });
  pthread_setname_np(thread_.native_handle(),
                     std::string(name.substr(0, 15)).c_str());
}

EventLoop::~EventLoop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written =
      write(wake_.get(), &one, sizeof(one));
  thread_.join();
}

void EventLoop::Post(Task task) {
  bool wake;
  {
    absl::MutexLock lock(&mutex_);
    wake = posted_.empty();
    posted_.push_back(std::move(task));
  }
  if (!wake) return;
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written =
      write(wake_.get(), &one, sizeof(one));
}

void EventLoop::PostAndWait(Task task) {
  absl::Notification done;
  Post([&] {
    task();
    done.Notify();
  });
  done.WaitForNotification();
}

bool EventLoop::OnLoopThread() const {
  return std::this_thread::get_id() == thread_.get_id();
}

void EventLoop::Watch(int fd, uint32_t events, FdCallback callback) {
  auto watcher = std::make_shared<Watcher>();
  watcher->callback = std::move(callback);
  watcher->generation = next_generation_++;
  watchers_[fd] = std::move(watcher);
  epoll_event event = {};
  event.events = events;
  event.data.fd = fd;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    LogError("event_loop.watch", {{"fd", fd}, {"errno", errno}});
  }
}

void EventLoop::SetEvents(int fd, uint32_t events) {
  epoll_event event = {};
  event.events = events;
  event.data.fd = fd;
  epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event);
}

void EventLoop::Unwatch(int fd) {
  if (watchers_.erase(fd) == 0) return;
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

EventLoop::TimerId EventLoop::After(absl::Duration delay, Task task) {
  const TimerId id = next_timer_++;
  const int64_t due =
      SteadyNanos() + std::max<int64_t>(0, absl::ToInt64Nanoseconds(std::min(
                                               delay, absl::Hours(24 * 365))));
  timers_.emplace(std::make_pair(due, id), std::move(task));
  timer_due_[id] = due;
  return id;
}

void EventLoop::Cancel(TimerId timer) {
  const auto due = timer_due_.find(timer);
  if (due == timer_due_.end()) return;
  timers_.erase({due->second, timer});
  timer_due_.erase(due);
}

int EventLoop::TimeoutMillis() const {
  if (timers_.empty()) return -1;
  const int64_t left = timers_.begin()->first.first - SteadyNanos();
  if (left <= 0) return 0;
  // Rounded up, so that a timer never makes the loop spin.
  return static_cast<int>(std::min<int64_t>(left / 1000000 + 1, 60000));
}

void EventLoop::RunTimers() {
  const int64_t now = SteadyNanos();
  while (!timers_.empty() && timers_.begin()->first.first <= now) {
    Task task = std::move(timers_.begin()->second);
    timer_due_.erase(timers_.begin()->first.second);
    timers_.erase(timers_.begin());
    task();
  }
}

void EventLoop::RunPosted() {
  std::vector<Task> tasks;
  {
    absl::MutexLock lock(&mutex_);
    tasks.swap(posted_);
  }
  for (Task& task : tasks) {
    task();
    task = nullptr;
  }
}

void EventLoop::Run() {
  epoll_event events[kEventsPerWait];
  while (true) {
    const int count =
        epoll_wait(epoll_.get(), events, kEventsPerWait, TimeoutMillis());
    {
      absl::MutexLock lock(&mutex_);
      if (stopping_) return;
    }
    // A descriptor number may be closed and used again by a callback of the
    // same round; events that were gathered for the old one must not reach the
    // new one.
    const uint64_t newest = next_generation_;
    for (int i = 0; i < count; ++i) {
      const int fd = events[i].data.fd;
      if (fd == wake_.get()) {
        uint64_t value;
        [[maybe_unused]] const ssize_t got =
            read(wake_.get(), &value, sizeof(value));
        continue;
      }
      const auto found = watchers_.find(fd);
      if (found == watchers_.end()) continue;
      // Keeps the callback alive when it unwatches itself.
      const std::shared_ptr<Watcher> watcher = found->second;
      if (watcher->generation >= newest) continue;
      watcher->callback(events[i].events);
    }
    RunTimers();
    RunPosted();
  }
}

}  // namespace innkeeper
