#include "agent/guest/job_table.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "agent/guest/guest_name.h"
#include "base/error.h"
#include "base/reason.h"

namespace innkeeper {

absl::Status Cancellation::status() const {
  absl::MutexLock lock(&mutex_);
  return status_;
}

void Cancellation::SetHandler(absl::AnyInvocable<void(absl::Status)> handler) {
  absl::Status why;
  {
    absl::MutexLock lock(&mutex_);
    if (status_.ok()) {
      // The old handler dies after the lock is given up: its destructor may
      // call anything.
      std::swap(handler_, handler);
      return;
    }
    why = status_;
  }
  if (handler) handler(why);
}

void Cancellation::Cancel(const absl::Status& why) {
  absl::AnyInvocable<void(absl::Status)> handler;
  {
    absl::MutexLock lock(&mutex_);
    if (!status_.ok()) return;
    status_ = why;
    std::swap(handler_, handler);
  }
  if (handler) handler(why);
}

JobTable::Job::Job(JobTable* table, absl::string_view guest,
                   std::shared_ptr<Cancellation> cancellation)
    : table_(table), guest_(guest), cancellation_(std::move(cancellation)) {}

JobTable::Job::Job(Job&& other) noexcept
    : table_(std::exchange(other.table_, nullptr)),
      guest_(std::move(other.guest_)),
      cancellation_(std::move(other.cancellation_)) {}

JobTable::Job& JobTable::Job::operator=(Job&& other) noexcept {
  if (this != &other) {
    Finish();
    table_ = std::exchange(other.table_, nullptr);
    guest_ = std::move(other.guest_);
    cancellation_ = std::move(other.cancellation_);
  }
  return *this;
}

void JobTable::Job::Finish() {
  JobTable* const table = std::exchange(table_, nullptr);
  if (table == nullptr) return;
  // A cancellation that comes too late must not reach what the handler holds.
  cancellation_->SetHandler(nullptr);
  table->Release(guest_);
}

absl::StatusOr<JobTable::Job> JobTable::Claim(absl::string_view guest,
                                              absl::string_view verb) {
  auto cancellation = std::make_shared<Cancellation>();
  absl::MutexLock lock(&mutex_);
  const auto [entry, claimed] =
      running_.try_emplace(guest, Entry{std::string(verb), cancellation});
  if (!claimed) {
    return Error(
               absl::StatusCode::kAborted, reason::kGuestBusy,
               absl::StrCat("guest '", guest, "' is busy: ", entry->second.verb,
                            " is in progress; try again when it is done"))
        .With("guest", ToGuestName(guest))
        .With("verb", entry->second.verb);
  }
  return Job(this, guest, std::move(cancellation));
}

bool JobTable::Cancel(absl::string_view guest, const absl::Status& why) {
  std::shared_ptr<Cancellation> cancellation;
  {
    absl::MutexLock lock(&mutex_);
    const auto entry = running_.find(guest);
    if (entry == running_.end()) return false;
    cancellation = entry->second.cancellation;
  }
  cancellation->Cancel(why);
  return true;
}

std::optional<std::string> JobTable::VerbOf(absl::string_view guest) const {
  absl::MutexLock lock(&mutex_);
  const auto entry = running_.find(guest);
  if (entry == running_.end()) return std::nullopt;
  return entry->second.verb;
}

void JobTable::Release(absl::string_view guest) {
  absl::MutexLock lock(&mutex_);
  running_.erase(guest);
}

}  // namespace innkeeper
