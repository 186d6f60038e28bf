#include "agent/context/context_book.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "agent/store/store_types.h"
#include "agent/supervisor/guest_event.h"
#include "base/error.h"
#include "base/log.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "base/uuid.h"

namespace innkeeper {
namespace {

EventRecord MakeEvent(absl::Time now, absl::string_view type,
                      const std::string& id, const std::string& caller) {
  EventRecord event;
  event.time = now;
  event.type = std::string(type);
  event.payload =
      SerializeEventPayload({"", "", caller, absl::StrCat("context ", id)});
  return event;
}

}  // namespace

absl::Status NoSuchContext(absl::string_view id) {
  return Error(absl::StatusCode::kNotFound, reason::kContextNotFound,
               absl::StrCat("context '", id, "' does not exist"))
      .With("context", id);
}

absl::Status ContextBook::Load() {
  ASSIGN_OR_RETURN(AgentStore::Contexts stored, parts_.store->LoadContexts());
  for (const std::string& id : stored.damaged) {
    LogError("context.record_damaged", {{"context", id}});
  }
  {
    absl::MutexLock lock(&mutex_);
    for (ContextRecord& record : stored.records) {
      const std::string id = record.id;
      contexts_[id] = std::make_shared<const ContextRecord>(std::move(record));
    }
  }
  parts_.loop->PostAndWait([this] { Tell({}); });
  return absl::OkStatus();
}

ContextPtr ContextBook::Find(absl::string_view id) const {
  absl::MutexLock lock(&mutex_);
  const auto found = contexts_.find(id);
  return found == contexts_.end() ? nullptr : found->second;
}

std::vector<ContextPtr> ContextBook::All() const {
  std::vector<ContextPtr> all;
  absl::MutexLock lock(&mutex_);
  for (const auto& [id, context] : contexts_) all.push_back(context);
  return all;
}

void ContextBook::Create(const Permit& permit, ContextRecord context,
                         Completion<ContextPtr> done) {
  context.creator = permit.caller().principal.ToString();
  parts_.loop->Post(
      [this, context = std::move(context), done = std::move(done)]() mutable {
        CreateNow(std::move(context), std::move(done));
      });
}

absl::Status ContextBook::CheckNew(const std::string& id) const {
  absl::MutexLock lock(&mutex_);
  if (contexts_.count(id) != 0 || busy_.count(id) != 0) {
    return Error(absl::StatusCode::kAlreadyExists, reason::kContextExists,
                 absl::StrCat("the context id '", id,
                              "' is in use; choose another, or delete it"))
        .With("context", id);
  }
  if (contexts_.size() + busy_.size() >= kMaxContexts) {
    return Error(absl::StatusCode::kResourceExhausted,
                 reason::kContextUnavailable,
                 absl::StrCat("the host has ", kMaxContexts,
                              " contexts, which is all it may have; delete "
                              "some"))
        .With("max_contexts", absl::StrCat(kMaxContexts));
  }
  return absl::OkStatus();
}

void ContextBook::CreateNow(ContextRecord context,
                            Completion<ContextPtr> done) {
  const absl::Status allowed = CheckNew(context.id);
  if (!allowed.ok()) return done(allowed);
  // As exact as the store keeps times: what is told now and what is read back
  // later must be the same.
  context.create_time =
      absl::FromUnixMicros(absl::ToUnixMicros(parts_.clock->Now()));
  context.etag = MakeUuid();
  Change change;
  change.put_contexts.push_back(context);
  change.events.push_back(MakeEvent(context.create_time, "context.created",
                                    context.id, context.creator));
  const std::string id = context.id;
  const auto made = std::make_shared<const ContextRecord>(std::move(context));
  Write(
      id, std::move(change),
      [this, made] {
        absl::MutexLock lock(&mutex_);
        contexts_[made->id] = made;
      },
      [made, done = std::move(done)](absl::Status status) mutable {
        if (!status.ok()) return done(std::move(status));
        done(made);
      });
}

void ContextBook::Delete(const Permit& permit, std::string id, std::string etag,
                         StatusCompletion done) {
  parts_.loop->Post([this, caller = permit.caller().principal.ToString(),
                     id = std::move(id), etag = std::move(etag),
                     done = std::move(done)]() mutable {
    DeleteNow(id, etag, caller, std::move(done));
  });
}

void ContextBook::DeleteNow(const std::string& id, const std::string& etag,
                            const std::string& caller, StatusCompletion done) {
  const ContextPtr context = Find(id);
  // One that is being deleted is as good as gone.
  if (context == nullptr || busy_.count(id) != 0)
    return done(NoSuchContext(id));
  if (!etag.empty() && etag != context->etag) {
    return done(Error(absl::StatusCode::kAborted, reason::kEtagMismatch,
                      absl::StrCat("context '", id,
                                   "' has changed since its etag was read; "
                                   "read it again"))
                    .With("context", id)
                    .With("etag", context->etag)
                    .Build());
  }
  Change change;
  change.delete_contexts.push_back(id);
  change.events.push_back(
      MakeEvent(parts_.clock->Now(), "context.deleted", id, caller));
  Write(
      id, std::move(change),
      [this, id] {
        absl::MutexLock lock(&mutex_);
        contexts_.erase(id);
      },
      std::move(done));
}

void ContextBook::Write(const std::string& id, Change change,
                        absl::AnyInvocable<void()> apply,
                        StatusCompletion done) {
  busy_.insert(id);
  std::vector<EventRecord> events = change.events;
  parts_.store->Commit(
      std::move(change),
      [this, id, events = std::move(events), apply = std::move(apply),
       done = std::move(done)](absl::StatusOr<CommitResult> result) mutable {
        parts_.loop->Post([this, id, events = std::move(events),
                           apply = std::move(apply), done = std::move(done),
                           result = std::move(result)]() mutable {
          busy_.erase(id);
          if (!result.ok()) return done(result.status());
          for (size_t i = 0; i < events.size(); ++i) {
            events[i].sequence = result->sequences[i];
          }
          apply();
          Tell(events);
          done(absl::OkStatus());
        });
      });
}

void ContextBook::Tell(const std::vector<EventRecord>& events) {
  std::vector<std::string> ids;
  for (const ContextPtr& context : All()) ids.push_back(context->id);
  parts_.feed->OnContexts(ids, events);
}

}  // namespace innkeeper
