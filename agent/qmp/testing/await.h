// Runs an asynchronous call on a loop and waits for its answer.
#ifndef INNKEEPER_AGENT_QMP_TESTING_AWAIT_H_
#define INNKEEPER_AGENT_QMP_TESTING_AWAIT_H_

#include <functional>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "base/completion.h"
#include "base/event_loop.h"

namespace innkeeper {

// Calls `start` on `loop` with a completion and returns what that was given.
// UNKNOWN if it was not called within 20 s. `Answer` is absl::Status or
// absl::StatusOr<T>. Not on the loop's thread.
template <typename Answer>
Answer Await(EventLoop* loop,
             std::function<void(absl::AnyInvocable<void(Answer)>)> start) {
  // Shared with the completion, which may come after the wait was given up.
  struct Shared {
    absl::Notification done;
    Answer answer = absl::UnknownError("the completion was not called");
  };
  auto shared = std::make_shared<Shared>();
  loop->PostAndWait([&] {
    start([shared](Answer answer) {
      shared->answer = std::move(answer);
      shared->done.Notify();
    });
  });
  if (!shared->done.WaitForNotificationWithTimeout(absl::Seconds(20))) {
    return absl::UnknownError("the completion was not called");
  }
  return std::move(shared->answer);
}

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_QMP_TESTING_AWAIT_H_
