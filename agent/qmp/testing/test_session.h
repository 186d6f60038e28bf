// A QmpSession that a test's own thread can use and ask what happened.
#ifndef INNKEEPER_AGENT_QMP_TESTING_TEST_SESSION_H_
#define INNKEEPER_AGENT_QMP_TESTING_TEST_SESSION_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "agent/qmp/event.h"
#include "agent/qmp/session.h"
#include "agent/qmp/version.h"
#include "base/event_loop.h"
#include "base/unique_fd.h"
#include "nlohmann/json.hpp"

namespace innkeeper {

// Thread-safe; not to be used on the loop's thread, but for session() and
// Destroy(). Every wait ends after 20 s.
class TestSession {
 public:
  // What is run on the loop after an event was recorded.
  using EventHook = std::function<void(const QmpEvent&)>;

  // Starts a session on `socket`.
  TestSession(EventLoop* loop, UniqueFd socket,
              QmpSession::Options options = QmpSession::Options(),
              EventHook on_event = nullptr);
  // Destroys the session, if it is still there, on the loop.
  ~TestSession();
  TestSession(const TestSession&) = delete;
  TestSession& operator=(const TestSession&) = delete;

  // The version that `ready` gave; nullopt if it did not come.
  std::optional<QmpVersion> WaitReady() ABSL_LOCKS_EXCLUDED(mutex_);
  // What `closed` was given; OK if it did not come.
  absl::Status WaitClosed() ABSL_LOCKS_EXCLUDED(mutex_);
  // The first `count` events, or fewer if they did not come.
  std::vector<QmpEvent> WaitEvents(size_t count) ABSL_LOCKS_EXCLUDED(mutex_);
  size_t events() ABSL_LOCKS_EXCLUDED(mutex_);
  int closed_calls() ABSL_LOCKS_EXCLUDED(mutex_);

  // Runs one command to its end.
  absl::StatusOr<nlohmann::json> Run(
      absl::string_view command, const nlohmann::json& arguments = nullptr,
      absl::Duration timeout = absl::Seconds(20));

  // On the loop's thread only. Null once destroyed.
  QmpSession* session() { return session_.get(); }
  void Destroy() { session_.reset(); }

 private:
  EventLoop* const loop_;
  std::unique_ptr<QmpSession> session_;  // Used on the loop only.

  absl::Mutex mutex_;
  std::optional<QmpVersion> version_ ABSL_GUARDED_BY(mutex_);
  std::vector<QmpEvent> events_ ABSL_GUARDED_BY(mutex_);
  std::vector<absl::Status> closed_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_QMP_TESTING_TEST_SESSION_H_
