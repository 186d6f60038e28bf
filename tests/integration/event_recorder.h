// What a watcher of events has seen, over all breaks.
#ifndef INNKEEPER_TESTS_INTEGRATION_EVENT_RECORDER_H_
#define INNKEEPER_TESTS_INTEGRATION_EVENT_RECORDER_H_

#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "grpcpp/client_context.h"
#include "innkeeper/v1/events.grpc.pb.h"
#include "tests/integration/caller.h"

namespace innkeeper {

// The whole log of one agent, read from the agent.
absl::StatusOr<std::vector<v1::Event>> ReadEventLog(const Caller& agent);

// Watches all events from the oldest on, in a thread of its own, and goes on
// from the last progress mark after each break. Fails the test where an event
// that comes again is another, or where the order within a host is not kept.
// Thread-safe.
class EventRecorder {
 public:
  explicit EventRecorder(const Caller& caller);
  // Stops to watch.
  ~EventRecorder();

  // The events of `host` ("hosts/h1"), each once, in the order in which they
  // came first.
  std::vector<v1::Event> Of(const std::string& host) const
      ABSL_LOCKS_EXCLUDED(mutex_);
  // How many progress marks have come.
  int marks() const ABSL_LOCKS_EXCLUDED(mutex_);
  // How often the stream broke, but for its end.
  int breaks() const ABSL_LOCKS_EXCLUDED(mutex_);
  std::string resume_token() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Run();
  // Until the stream breaks.
  void WatchOnce();
  void Take(const v1::Event& event) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Caller caller_;
  mutable absl::Mutex mutex_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  std::shared_ptr<grpc::ClientContext> context_ ABSL_GUARDED_BY(mutex_);
  std::string token_ ABSL_GUARDED_BY(mutex_);
  int marks_ ABSL_GUARDED_BY(mutex_) = 0;
  int breaks_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::string, std::vector<v1::Event>> events_ ABSL_GUARDED_BY(mutex_);
  // By host: where the present stream is.
  std::map<std::string, int64_t> last_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_TESTS_INTEGRATION_EVENT_RECORDER_H_
