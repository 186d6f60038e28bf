// Keeps what a driver tells of its guests, one line for each call.
#ifndef INNKEEPER_AGENT_DRIVER_TESTING_RECORDING_SINK_H_
#define INNKEEPER_AGENT_DRIVER_TESTING_RECORDING_SINK_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "agent/driver/guest_event_sink.h"
#include "agent/guest/guest_record.h"

namespace innkeeper {

// Thread-safe. Lines: "web running", "web paused", "web reset", "web reset by
// guest", "web exited 3", "web signaled 9", "web lost", "web unresponsive",
// "web responsive".
class RecordingSink final : public GuestEventSink {
 public:
  void OnRunState(absl::string_view guest, RunState state) override
      ABSL_LOCKS_EXCLUDED(mutex_);
  void OnReset(absl::string_view guest, bool by_guest) override
      ABSL_LOCKS_EXCLUDED(mutex_);
  void OnExit(absl::string_view guest, const GuestExit& exit,
              const std::string& error_text) override
      ABSL_LOCKS_EXCLUDED(mutex_);
  void OnResponsive(absl::string_view guest, bool responsive) override
      ABSL_LOCKS_EXCLUDED(mutex_);

  std::vector<std::string> lines() const ABSL_LOCKS_EXCLUDED(mutex_);
  // What came with the last exit.
  GuestExit exit() const ABSL_LOCKS_EXCLUDED(mutex_);
  std::string error_text() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Waits at most 20 s until there are `count` lines, and returns those that
  // there are.
  std::vector<std::string> WaitFor(size_t count) const
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Waits at most 20 s for `line`; whether it came.
  bool WaitForLine(absl::string_view line) const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Add(absl::string_view guest, absl::string_view what)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable absl::Mutex mutex_;
  std::vector<std::string> lines_ ABSL_GUARDED_BY(mutex_);
  GuestExit exit_ ABSL_GUARDED_BY(mutex_);
  std::string error_text_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_DRIVER_TESTING_RECORDING_SINK_H_
