#include "agent/service/agent_view.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "agent/context/context_record.h"
#include "agent/service/convert.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "rpc/timestamp.h"

namespace innkeeper {

AgentView::AgentView(const Parts& parts)
    : parts_(parts),
      events_(parts.loop, this),
      watches_(parts.loop, &table_, &events_),
      inventory_(parts.loop, &table_) {}

absl::Status AgentView::Begin() {
  ASSIGN_OR_RETURN(const int64_t last, parts_.store->LastSequence());
  Position head;
  head.epoch = absl::StrCat(parts_.store->epoch());
  head.sequence = last;
  events_.SetHead(parts_.host, head);
  inventory_.SetHead(head);
  return absl::OkStatus();
}

void AgentView::SetHost(v1::Host host) {
  {
    absl::MutexLock lock(&mutex_);
    host_ = std::move(host);
  }
  inventory_.HostChanged(this->host());
}

v1::Host AgentView::host() {
  v1::Host host;
  {
    absl::MutexLock lock(&mutex_);
    host = host_;
    host.clear_contexts();
    for (const std::string& id : contexts_) {
      host.add_contexts(ToContextName(id));
    }
  }
  v1::Host::Resources* allocated = host.mutable_allocated();
  allocated->Clear();
  const auto snapshot = table_.Snapshot();
  for (const GuestRowPtr& row : snapshot->rows) {
    const v1::GuestSpec& spec = row->guest.spec();
    allocated->set_memory_bytes(allocated->memory_bytes() +
                                spec.memory_bytes());
    allocated->set_vcpu_count(allocated->vcpu_count() + spec.vcpu_count());
  }
  allocated->set_guest_count(static_cast<int32_t>(snapshot->rows.size()));
  *host.mutable_observe_time() = ToTimestamp(absl::Now());
  return host;
}

void AgentView::SetLeases(LeasedAddresses leases) {
  leases_ = std::move(leases);
  const auto snapshot = table_.Snapshot();
  for (const GuestRowPtr& row : snapshot->rows) {
    if (row->guest.interfaces().empty()) continue;
    v1::Guest guest = row->guest;
    if (!UpdateLeasedAddresses(leases_, &guest)) continue;
    const GuestRowPtr changed = table_.Put(std::move(guest));
    watches_.Changed(changed->guest.name());
    inventory_.GuestChanged(changed, {});
  }
}

std::vector<v1::Event> AgentView::Publish(
    const std::vector<EventRecord>& events) {
  std::vector<v1::Event> messages;
  for (const EventRecord& event : events) {
    messages.push_back(ToEvent(event, parts_.host, parts_.store->epoch()));
    events_.Publish(messages.back());
  }
  return messages;
}

void AgentView::OnGuest(const GuestRecord& guest, bool unresponsive,
                        const std::string& operation,
                        const std::vector<EventRecord>& events) {
  v1::Guest message = ToGuest(guest, parts_.host, unresponsive, operation);
  SetInterfaces(guest, leases_, &message);
  const GuestRowPtr row = table_.Put(std::move(message));
  watches_.Changed(row->guest.name());
  inventory_.GuestChanged(row, Publish(events));
}

void AgentView::OnGuestRemoved(const GuestRecord& guest,
                               const std::vector<EventRecord>& events) {
  const GuestRowPtr row = table_.Remove(guest.uid);
  if (row != nullptr) watches_.Changed(row->guest.name(), row);
  inventory_.GuestRemoved(guest.uid, Publish(events));
}

void AgentView::OnContexts(const std::vector<std::string>& ids,
                           const std::vector<EventRecord>& events) {
  {
    absl::MutexLock lock(&mutex_);
    contexts_ = ids;
  }
  inventory_.HostChanged(host(), Publish(events));
}

void AgentView::Read(const std::string& host, const Position& after, int limit,
                     Completion<std::vector<v1::Event>> done) {
  auto answer =
      std::make_shared<Completion<std::vector<v1::Event>>>(std::move(done));
  const absl::Status submitted =
      parts_.executor->Submit([this, host, after, limit, answer] {
        const std::string epoch = absl::StrCat(parts_.store->epoch());
        int64_t from = after.sequence;
        if (after.epoch.empty()) {
          absl::StatusOr<int64_t> oldest = parts_.store->OldestSequence();
          if (!oldest.ok()) return (*answer)(oldest.status());
          from = *oldest - 1;
        } else if (after.epoch != epoch || host != parts_.host) {
          return (*answer)(
              Error(absl::StatusCode::kOutOfRange, reason::kHistoryGone,
                    absl::StrCat("the log of ", host,
                                 " was begun anew since then; list afresh"))
                  .With("host", host)
                  .Build());
        }
        absl::StatusOr<std::vector<EventRecord>> records =
            parts_.store->EventsAfter(from, static_cast<size_t>(limit));
        if (!records.ok()) return (*answer)(records.status());
        std::vector<v1::Event> events;
        for (const EventRecord& record : *records) {
          events.push_back(ToEvent(record, parts_.host, parts_.store->epoch()));
        }
        (*answer)(std::move(events));
      });
  if (!submitted.ok()) (*answer)(submitted);
}

absl::StatusOr<ResourceAttributes> AgentView::Resolve(
    absl::string_view name) const {
  if (absl::StartsWith(name, "guests/")) {
    const GuestRowPtr row = table_.Find(name);
    if (row != nullptr) return row->attributes;
  } else if (name == parts_.host) {
    ResourceAttributes attributes;
    attributes.name = parts_.host;
    attributes.host = parts_.host;
    return attributes;
  } else if (absl::StartsWith(name, "operations/")) {
    absl::StatusOr<OperationRecord> operation = parts_.tracker->Get(name);
    if (operation.ok()) {
      ResourceAttributes attributes;
      attributes.name = operation->name;
      attributes.owner = operation->owner;
      attributes.host = parts_.host;
      return attributes;
    }
  }
  return absl::NotFoundError("absent");
}

}  // namespace innkeeper
