#include "agent/supervisor/guest_book.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/guest/guest_record.h"
#include "agent/guest/guest_state.h"
#include "agent/store/store_types.h"
#include "agent/supervisor/guest_event.h"
#include "base/error.h"
#include "base/log.h"
#include "base/reason.h"

namespace innkeeper {
namespace {

// How long a failing disk is left alone before the next try.
constexpr absl::Duration kRetryDelay = absl::Seconds(1);

}  // namespace

void GuestBook::Load(GuestRecord record) {
  Entry& entry = entries_[record.id];
  entry.record = std::move(record);
  entry.committed = true;
  parts_.feed->OnGuest(entry.record, false, "", {});
}

const GuestRecord* GuestBook::Find(absl::string_view id) const {
  const auto entry = entries_.find(id);
  if (entry == entries_.end() || !entry->second.committed) return nullptr;
  return &entry->second.record;
}

std::vector<std::string> GuestBook::Ids() const {
  std::vector<std::string> ids;
  for (const auto& [id, unused] : entries_) ids.push_back(id);
  return ids;
}

int64_t GuestBook::AllocatedMemoryBytes() const {
  int64_t bytes = 0;
  for (const auto& [unused, entry] : entries_) {
    bytes += entry.record.spec.memory_bytes;
  }
  return bytes;
}

int64_t GuestBook::AllocatedVcpus() const {
  int64_t vcpus = 0;
  for (const auto& [unused, entry] : entries_) {
    vcpus += entry.record.spec.vcpu_count;
  }
  return vcpus;
}

absl::Time GuestBook::Now() const {
  return absl::FromUnixMicros(absl::ToUnixMicros(parts_.clock->Now()));
}

void GuestBook::Add(GuestRecord record, GuestWrite write) {
  const std::string id = record.id;
  record.revision = 0;
  record.create_time = Now();
  Entry& entry = entries_[id];
  entry.record = std::move(record);
  entry.writes.push_back(std::move(write));
  RunFirst(id);
}

void GuestBook::Write(absl::string_view id, GuestWrite write) {
  const auto entry = entries_.find(id);
  if (entry == entries_.end()) {
    if (write.operation.has_value() && write.outcome.has_value()) {
      EndOperation(*std::move(write.operation), *std::move(write.outcome));
    }
    if (write.done) {
      write.done(Error(absl::StatusCode::kNotFound, reason::kGuestNotFound,
                       absl::StrCat("guest '", id, "' does not exist"))
                     .With("guest", id)
                     .Build());
    }
    return;
  }
  entry->second.writes.push_back(std::move(write));
  if (entry->second.writes.size() == 1) RunFirst(entry->first);
}

void GuestBook::EndOperation(OperationRecord operation, absl::Status outcome) {
  GuestWrite write;
  write.operation = std::move(operation);
  write.outcome = std::move(outcome);
  write.remove = true;
  FinishOperation(GuestRecord(), &write);
  CommitOperation(*std::move(write.operation));
}

void GuestBook::CommitOperation(OperationRecord operation) {
  Change change;
  change.put_operations.push_back(operation);
  parts_.store->Commit(
      std::move(change), [this, operation = std::move(operation)](
                             absl::StatusOr<CommitResult> result) mutable {
        parts_.loop->Post([this, operation = std::move(operation),
                           status = result.status()]() mutable {
          if (status.ok()) return parts_.tracker->Publish(operation);
          LogError("operation.write", {{"operation", operation.name},
                                       {"error", status.message()}});
          parts_.loop->After(
              kRetryDelay, [this, operation = std::move(operation)]() mutable {
                CommitOperation(std::move(operation));
              });
        });
      });
}

void GuestBook::WhenIdle(absl::string_view id,
                         absl::AnyInvocable<void()> task) {
  const auto entry = entries_.find(id);
  if (entry == entries_.end() || entry->second.writes.empty()) {
    parts_.loop->Post(std::move(task));
    return;
  }
  entry->second.idle.push_back(std::move(task));
}

bool GuestBook::unresponsive(absl::string_view id) const {
  const auto entry = entries_.find(id);
  return entry != entries_.end() && entry->second.unresponsive;
}

void GuestBook::SetUnresponsive(absl::string_view id, bool unresponsive) {
  const auto entry = entries_.find(id);
  if (entry == entries_.end()) return;
  if (entry->second.unresponsive == unresponsive) return;
  entry->second.unresponsive = unresponsive;
  GuestWrite write;
  write.events.push_back(
      {unresponsive ? "guest.unresponsive" : "guest.responsive",
       unresponsive ? "its monitor does not answer" : "its monitor answers", "",
       ""});
  Write(id, std::move(write));
}

void GuestBook::SetOperation(absl::string_view id,
                             const std::string& operation) {
  const auto entry = entries_.find(id);
  if (entry != entries_.end()) entry->second.operation = operation;
}

void GuestBook::FinishOperation(const GuestRecord& next,
                                GuestWrite* write) const {
  OperationRecord& operation = *write->operation;
  const absl::Time now = Now();
  operation.update_time = now;
  if (!write->outcome.has_value()) return;
  operation.done = true;
  OperationFacts facts = parts_.encoder->ParseMetadata(operation.metadata);
  facts.end_time = now;
  facts.step = "done";
  operation.metadata = parts_.encoder->Metadata(facts);
  if (!write->outcome->ok()) {
    operation.error = parts_.encoder->Error(*write->outcome);
  } else {
    operation.result = write->remove ? parts_.encoder->EmptyResult()
                                     : parts_.encoder->Result(next);
  }
}

std::vector<EventRecord> GuestBook::MakeEvents(const GuestRecord& record,
                                               const GuestWrite& write) const {
  std::vector<EventRecord> events;
  for (const EventDraft& draft : write.events) {
    EventRecord event;
    event.time = Now();
    event.guest = record.id;
    event.owner = record.owner;
    event.type = draft.type;
    event.payload = SerializeEventPayload(
        {record.uid, draft.operation, draft.caller, draft.message});
    events.push_back(std::move(event));
  }
  return events;
}

void GuestBook::RunFirst(const std::string& id) {
  Entry& entry = entries_.find(id)->second;
  GuestWrite& write = entry.writes.front();
  GuestRecord next = entry.record;
  if (write.change) write.change(next);
  next.revision = entry.record.revision + 1;
  next.update_time = Now();
  next.etag = absl::StrCat(next.uid.substr(0, 8), "-", next.revision);
  Change change;
  if (write.operation.has_value()) {
    FinishOperation(next, &write);
    change.put_operations.push_back(*write.operation);
  }
  if (write.remove) {
    change.delete_guests.push_back(id);
  } else {
    change.put_guests.push_back(next);
  }
  change.ledger = write.ledger;
  change.events = MakeEvents(next, write);
  Change copy = change;
  parts_.store->Commit(
      std::move(change),
      [this, id, next = std::move(next),
       copy = std::move(copy)](absl::StatusOr<CommitResult> result) mutable {
        parts_.loop->Post([this, id, next = std::move(next),
                           copy = std::move(copy),
                           result = std::move(result)]() mutable {
          Finish(id, std::move(next), std::move(copy), std::move(result));
        });
      });
}

void GuestBook::Finish(const std::string& id, GuestRecord next, Change change,
                       absl::StatusOr<CommitResult> result) {
  const auto found = entries_.find(id);
  Entry& entry = found->second;
  if (!result.ok() && entry.writes.front().keep_trying) {
    LogError("guest.write",
             {{"guest", id}, {"error", result.status().message()}});
    parts_.loop->After(kRetryDelay, [this, id] { RunFirst(id); });
    return;
  }
  GuestWrite write = std::move(entry.writes.front());
  entry.writes.pop_front();
  const bool written = result.ok() && !result->earlier.has_value();
  if (written) {
    for (size_t i = 0; i < change.events.size(); ++i) {
      change.events[i].sequence = result->sequences[i];
    }
    entry.record = std::move(next);
    entry.committed = true;
    // Without a process there is nothing that could answer.
    if (!MayHaveProcess(entry.record.state)) entry.unresponsive = false;
    if (write.remove) {
      parts_.feed->OnGuestRemoved(entry.record, change.events);
    } else {
      parts_.feed->OnGuest(entry.record, entry.unresponsive, entry.operation,
                           change.events);
    }
    if (write.operation.has_value()) {
      parts_.tracker->Publish(*write.operation);
    }
  }
  std::vector<absl::AnyInvocable<void()>> idle;
  std::deque<GuestWrite> orphans;
  if ((written && write.remove) || !entry.committed) {
    idle = std::move(entry.idle);
    orphans = std::move(entry.writes);
    entries_.erase(found);
  } else if (!entry.writes.empty()) {
    RunFirst(id);
  } else {
    idle = std::exchange(entry.idle, {});
  }
  if (write.done) write.done(std::move(result));
  for (GuestWrite& orphan : orphans) Write(id, std::move(orphan));
  for (absl::AnyInvocable<void()>& task : idle) {
    parts_.loop->Post(std::move(task));
  }
}

}  // namespace innkeeper
