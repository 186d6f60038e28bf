#include "agent/driver/testing/recording_sink.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace innkeeper {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(20);

std::string Describe(const GuestExit& exit) {
  switch (exit.kind) {
    case ExitKind::kExited:
      return absl::StrCat("exited ", exit.value);
    case ExitKind::kSignaled:
      return absl::StrCat("signaled ", exit.value);
    case ExitKind::kLost:
      return "lost";
  }
  return "of an unknown kind";
}

}  // namespace

void RecordingSink::OnRunState(absl::string_view guest, RunState state) {
  absl::MutexLock lock(&mutex_);
  Add(guest, state == RunState::kRunning ? "running" : "paused");
}

void RecordingSink::OnReset(absl::string_view guest, bool by_guest) {
  absl::MutexLock lock(&mutex_);
  Add(guest, by_guest ? "reset by guest" : "reset");
}

void RecordingSink::OnExit(absl::string_view guest, const GuestExit& exit,
                           const std::string& error_text) {
  absl::MutexLock lock(&mutex_);
  exit_ = exit;
  error_text_ = error_text;
  Add(guest, Describe(exit));
}

void RecordingSink::OnResponsive(absl::string_view guest, bool responsive) {
  absl::MutexLock lock(&mutex_);
  Add(guest, responsive ? "responsive" : "unresponsive");
}

std::vector<std::string> RecordingSink::lines() const {
  absl::MutexLock lock(&mutex_);
  return lines_;
}

GuestExit RecordingSink::exit() const {
  absl::MutexLock lock(&mutex_);
  return exit_;
}

std::string RecordingSink::error_text() const {
  absl::MutexLock lock(&mutex_);
  return error_text_;
}

std::vector<std::string> RecordingSink::WaitFor(size_t count) const {
  absl::MutexLock lock(&mutex_);
  const auto enough = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return lines_.size() >= count;
  };
  mutex_.AwaitWithTimeout(absl::Condition(&enough), kPatience);
  return lines_;
}

bool RecordingSink::WaitForLine(absl::string_view line) const {
  absl::MutexLock lock(&mutex_);
  const auto there = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return std::find(lines_.begin(), lines_.end(), line) != lines_.end();
  };
  return mutex_.AwaitWithTimeout(absl::Condition(&there), kPatience);
}

void RecordingSink::Add(absl::string_view guest, absl::string_view what) {
  lines_.push_back(absl::StrCat(guest, " ", what));
}

}  // namespace innkeeper
