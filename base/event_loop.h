// One thread that waits for descriptors, timers and posted work with epoll(7).
#ifndef INNKEEPER_BASE_EVENT_LOOP_H_
#define INNKEEPER_BASE_EVENT_LOOP_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/unique_fd.h"

namespace innkeeper {

// Runs callbacks on one thread of its own, one at a time. Post() is
// thread-safe; every other method is called on the loop's thread only (from a
// callback or a posted closure), which debug builds check. A callback must not
// block: everything on the loop waits for it.
class EventLoop {
 public:
  using Task = absl::AnyInvocable<void()>;
  // `events`: EPOLLIN, EPOLLOUT, EPOLLHUP, EPOLLERR as epoll_wait(2) says.
  using FdCallback = std::function<void(uint32_t events)>;
  using TimerId = uint64_t;

  // Starts the thread; `name` (at most 15 bytes) is what ps shows.
  explicit EventLoop(absl::string_view name);
  // Stops the thread after the callback that is running. Tasks posted but not
  // yet run are destroyed, not run.
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Runs `task` soon, after those posted before it.
  void Post(Task task) ABSL_LOCKS_EXCLUDED(mutex_);
  // Runs `task` on the loop and returns when it has run. Not from the loop.
  void PostAndWait(Task task) ABSL_LOCKS_EXCLUDED(mutex_);
  bool OnLoopThread() const;

  // Watches `fd`, which stays the caller's and must be unwatched before it is
  // closed. Level-triggered.
  void Watch(int fd, uint32_t events, FdCallback callback);
  // Changes the events waited for.
  void SetEvents(int fd, uint32_t events);
  // After it returns the callback does not run again. Safe inside it.
  void Unwatch(int fd);

  // Runs `task` once `delay` has passed (steady time). Never returns 0.
  TimerId After(absl::Duration delay, Task task);
  // Does nothing if the timer ran already or is 0.
  void Cancel(TimerId timer);

 private:
  struct Watcher {
    FdCallback callback;
    uint64_t generation;
  };

  void Run();
  void RunPosted() ABSL_LOCKS_EXCLUDED(mutex_);
  void RunTimers();
  int TimeoutMillis() const;

  UniqueFd epoll_;
  UniqueFd wake_;
  absl::flat_hash_map<int, std::shared_ptr<Watcher>> watchers_;
  uint64_t next_generation_ = 1;
  // (steady nanoseconds, id) to task: in the order in which they are due.
  std::map<std::pair<int64_t, TimerId>, Task> timers_;
  absl::flat_hash_map<TimerId, int64_t> timer_due_;
  TimerId next_timer_ = 1;

  absl::Mutex mutex_;
  std::vector<Task> posted_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;

  // Last: it uses all of the above.
  std::thread thread_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_BASE_EVENT_LOOP_H_
