// What a driver tells about guests that changed by themselves.
#ifndef INNKEEPER_AGENT_DRIVER_GUEST_EVENT_SINK_H_
#define INNKEEPER_AGENT_DRIVER_GUEST_EVENT_SINK_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "agent/guest/guest_record.h"

namespace innkeeper {

enum class RunState : uint8_t { kRunning, kPaused };

// Called on the driver's event loop. Implementations may call the driver.
class GuestEventSink {
 public:
  virtual ~GuestEventSink() = default;

  // The processors were let run or halted, by whomever.
  virtual void OnRunState(absl::string_view guest, RunState state) = 0;
  // The machine was reset; `by_guest` if the guest asked for it itself.
  virtual void OnReset(absl::string_view guest, bool by_guest) = 0;
  // The process has ended. `error_text`: the last that it wrote to standard
  // error, at most 4 KiB. Nothing else is told about this process afterwards.
  virtual void OnExit(absl::string_view guest, const GuestExit& exit,
                      const std::string& error_text) = 0;
  // The monitor stopped answering, or answers again.
  virtual void OnResponsive(absl::string_view guest, bool responsive) = 0;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_DRIVER_GUEST_EVENT_SINK_H_
