// What guests do by themselves.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "agent/guest/guest_record.h"
#include "agent/guest/guest_state.h"
#include "agent/supervisor/guest_supervisor.h"
#include "base/failpoint.h"
#include "base/log.h"

namespace innkeeper {
namespace {

// What the record says about an end that nobody asked for.
std::string DescribeExit(const GuestExit& exit, const std::string& error_text) {
  std::string text;
  switch (exit.kind) {
    case ExitKind::kExited:
      text = exit.value == 0
                 ? "the guest shut down"
                 : absl::StrCat("QEMU exited with status ", exit.value);
      break;
    case ExitKind::kSignaled:
      text = absl::StrCat("QEMU was ended by signal ", exit.value);
      break;
    case ExitKind::kLost:
      text = "QEMU ended while nobody watched";
      break;
  }
  if (exit.value != 0 && !error_text.empty()) {
    absl::StrAppend(&text, ": ", error_text);
  }
  return text;
}

}  // namespace

void GuestSupervisor::OnRunState(absl::string_view guest, RunState state) {
  const GuestRecord* record = parts_.book->Find(guest);
  if (record == nullptr) return;
  // A verb in progress writes the state itself.
  if (jobs_.VerbOf(guest).has_value()) return;
  const GuestState wanted =
      state == RunState::kRunning ? GuestState::kRunning : GuestState::kPaused;
  if (record->state == wanted || (record->state != GuestState::kRunning &&
                                  record->state != GuestState::kPaused)) {
    return;
  }
  GuestWrite write;
  write.change = [wanted](GuestRecord& next) {
    if (next.state == GuestState::kRunning ||
        next.state == GuestState::kPaused) {
      next.state = wanted;
    }
  };
  write.events.push_back(
      {wanted == GuestState::kRunning ? "guest.resumed" : "guest.paused",
       "at its monitor or by itself", "", ""});
  parts_.book->Write(guest, std::move(write));
}

void GuestSupervisor::OnReset(absl::string_view guest, bool by_guest) {
  GuestWrite write;
  const auto task = tasks_.find(guest);
  const bool asked = task != tasks_.end() && task->second->verb == "reboot";
  write.events.push_back({"guest.rebooted",
                          by_guest ? "by the guest itself" : "",
                          asked ? task->second->operation.name : "",
                          asked ? task->second->caller : ""});
  parts_.book->Write(guest, std::move(write));
}

void GuestSupervisor::OnResponsive(absl::string_view guest, bool responsive) {
  parts_.book->SetUnresponsive(guest, !responsive);
}

void GuestSupervisor::OnExit(absl::string_view guest, const GuestExit& exit,
                             const std::string& error_text) {
  WriteExit(std::string(guest), exit, error_text, nullptr);
}

void GuestSupervisor::WriteExit(const std::string& id, const GuestExit& exit,
                                const std::string& error_text,
                                absl::AnyInvocable<void()> then) {
  INNKEEPER_FAILPOINT("agent.exit.seen");
  parts_.driver->Remove(id, [this, id, exit, error_text,
                             then = std::move(then)](
                                absl::Status removed) mutable {
    INNKEEPER_FAILPOINT("agent.exit.removed");
    if (!removed.ok()) {
      // The launcher tries again when the guest is started or deleted.
      LogWarning("guest.remove", {{"guest", id}, {"error", removed.message()}});
    }
    const GuestRecord* record = parts_.book->Find(id);
    if (record == nullptr) {
      if (then) then();
      return;
    }
    std::vector<TaskPtr> stops;
    const auto waiting = stops_.find(id);
    if (waiting != stops_.end()) {
      stops = std::move(waiting->second);
      stops_.erase(waiting);
    }
    const bool asked = !stops.empty() || record->state == GuestState::kStopping;
    const bool clean = exit.kind == ExitKind::kExited && exit.value == 0;
    const std::string text = DescribeExit(exit, error_text);
    GuestWrite write;
    write.change = [exit, text, asked, clean](GuestRecord& next) {
      next.state = asked || clean ? GuestState::kStopped : GuestState::kFailed;
      next.state_reason = asked && !clean ? "stopped by force" : text;
      next.exit = exit;
      next.process.reset();
    };
    EventDraft event;
    event.type = asked || clean ? "guest.stopped" : "guest.failed";
    event.message = asked && !clean ? "stopped by force" : text;
    if (!stops.empty()) {
      event.operation = stops.front()->operation.name;
      event.caller = stops.front()->caller;
      write.operation = stops.front()->operation;
      write.outcome = absl::OkStatus();
    }
    write.events.push_back(std::move(event));
    for (const TaskPtr& stop : stops) EndTask(stop);
    const auto waiter =
        std::make_shared<absl::AnyInvocable<void()>>(std::move(then));
    write.done = [waiter](absl::StatusOr<CommitResult>) {
      if (*waiter) (*waiter)();
    };
    parts_.book->Write(id, std::move(write));
    for (size_t i = 1; i < stops.size(); ++i) {
      GuestWrite end;
      end.operation = stops[i]->operation;
      end.outcome = absl::OkStatus();
      parts_.book->Write(id, std::move(end));
    }
  });
}

}  // namespace innkeeper
