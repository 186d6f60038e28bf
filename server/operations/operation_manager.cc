#include "server/operations/operation_manager.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "base/uuid.h"
#include "server/operations/operation_errors.h"
#include "server/store/keys.h"
#include "server/store/settled_commit.h"

namespace innkeeper {
namespace {

constexpr int kMaxTries = 100;

std::string KeyOf(absl::string_view name) {
  return keys::Operation(absl::StripPrefix(name, "operations/"));
}

std::string NameOf(absl::string_view key) {
  return absl::StrCat("operations/",
                      keys::IdIn(keys::kOperations, key).value_or(""));
}

Txn StartTxn(const ClusterOperation& operation) {
  const std::string key = KeyOf(operation.name);
  return Txn().IfAbsent(key).PutKey(key, SerializeOperation(operation));
}

// Commits a Txn that gives `operation` a new state.
absl::StatusOr<TxnResult> CommitState(Store* store, const Txn& txn,
                                      const ClusterOperation& operation) {
  return CommitSettled(store, txn, KeyOf(operation.name),
                       [&](const std::optional<KeyValue>& kv) {
                         if (!kv.has_value()) return false;
                         const auto stored = ParseOperation(*kv);
                         return stored.ok() &&
                                stored->update_id == operation.update_id;
                       });
}

// Whether the store has `operation` as it was read.
bool Stands(const TxnResult& result, const ClusterOperation& operation) {
  const std::string key = KeyOf(operation.name);
  return std::any_of(
      result.current.begin(), result.current.end(), [&](const KeyValue& kv) {
        return kv.key == key && kv.mod_revision == operation.mod_revision;
      });
}

absl::Status ConflictError(absl::string_view name, absl::string_view why) {
  return Error(absl::StatusCode::kAborted, reason::kStoreConflict,
               absl::StrCat("operation '", name, "' was not changed: ", why))
      .With("operation", name);
}

}  // namespace

absl::StatusOr<std::unique_ptr<OperationManager>> OperationManager::Create(
    Store* store, EventLoop* loop, const Options& options) {
  std::unique_ptr<OperationManager> manager(
      new OperationManager(store, loop, options));
  RETURN_IF_ERROR(manager->Synchronize());
  return manager;
}

OperationManager::~OperationManager() = default;

absl::Status OperationManager::Synchronize() {
  watch_.reset();
  {
    absl::MutexLock lock(&mutex_);
    watch_broken_ = false;
  }
  ASSIGN_OR_RETURN(const ListResult stored, store_->ListAll(keys::kOperations));
  std::set<std::string> present;
  for (const KeyValue& kv : stored.kvs) {
    present.insert(NameOf(kv.key));
    absl::StatusOr<ClusterOperation> operation = ParseOperation(kv);
    if (operation.ok()) {
      Learn(*std::move(operation));
    } else {
      // One that cannot be read must not keep the server from its others.
      LogError("operation.unreadable",
               {{"operation", NameOf(kv.key)},
                {"error", operation.status().ToString()}});
    }
  }
  for (const Entry& known : index_.All()) {
    if (present.count(known->name) == 0) Forget(known->name, stored.revision);
  }
  watch_ = store_->StartWatch(
      keys::kOperations, stored.revision + 1,
      [this](const absl::StatusOr<WatchBatch>& batch) { OnBatch(batch); });
  return absl::OkStatus();
}

void OperationManager::OnBatch(const absl::StatusOr<WatchBatch>& batch) {
  if (!batch.ok()) {
    LogWarning("operation.watch_broken",
               {{"error", batch.status().ToString()}});
    absl::MutexLock lock(&mutex_);
    watch_broken_ = true;
    return;
  }
  for (const StoreEvent& event : batch->events) {
    if (event.type == StoreEvent::Type::kDelete) {
      Forget(NameOf(event.kv.key), event.kv.mod_revision);
      continue;
    }
    absl::StatusOr<ClusterOperation> operation = ParseOperation(event.kv);
    if (operation.ok()) Learn(*std::move(operation));
  }
}

void OperationManager::Learn(ClusterOperation operation) {
  const std::string name = operation.name;
  const bool done = operation.done;
  index_.Put(std::move(operation));
  if (done) waiters_.Wake(name);
}

void OperationManager::Forget(absl::string_view name, int64_t revision) {
  index_.Erase(name, revision);
  waiters_.Wake(name);
}

void OperationManager::Stamp(ClusterOperation& operation) const {
  operation.create_time = operation.update_time = options_.clock->Now();
  operation.update_id = MakeUuid();
}

Txn OperationManager::MakeStart(ClusterOperation operation) const {
  Stamp(operation);
  return StartTxn(operation);
}

absl::StatusOr<ClusterOperation> OperationManager::Load(
    absl::string_view name) {
  ASSIGN_OR_RETURN(const GetResult read, store_->Get(KeyOf(name)));
  if (!read.kv.has_value()) return OperationNotFoundError(name);
  ASSIGN_OR_RETURN(ClusterOperation operation, ParseOperation(*read.kv));
  Learn(operation);
  return operation;
}

absl::StatusOr<TxnResult> OperationManager::Start(ClusterOperation operation,
                                                  Txn companion) {
  Stamp(operation);
  Txn txn = StartTxn(operation);
  txn.Append(std::move(companion));
  INNKEEPER_FAILPOINT("server.operation.before_start");
  ASSIGN_OR_RETURN(const TxnResult result, CommitState(store_, txn, operation));
  INNKEEPER_FAILPOINT("server.operation.after_start");
  if (result.committed) {
    operation.mod_revision = result.revision;
    Learn(std::move(operation));
  }
  return result;
}

absl::StatusOr<ClusterOperation> OperationManager::Update(
    absl::string_view name, Change change, const Txn& companion) {
  for (int tries = 0; tries < kMaxTries; ++tries) {
    ASSIGN_OR_RETURN(ClusterOperation operation, Load(name));
    if (operation.done) return operation;
    const absl::Time now = options_.clock->Now();
    change(operation);
    operation.update_time = now;
    operation.update_id = MakeUuid();
    if (operation.done) operation.done_time = now;
    Txn txn = Txn()
                  .IfModRevision(KeyOf(name), operation.mod_revision)
                  .PutKey(KeyOf(name), SerializeOperation(operation));
    txn.Append(companion);
    INNKEEPER_FAILPOINT("server.operation.before_update");
    ASSIGN_OR_RETURN(const TxnResult result,
                     CommitState(store_, txn, operation));
    INNKEEPER_FAILPOINT("server.operation.after_update");
    if (result.committed) {
      operation.mod_revision = result.revision;
      Learn(operation);
      return operation;
    }
    if (Stands(result, operation)) {
      return ConflictError(name, "what was to change with it has changed");
    }
  }
  return ConflictError(name, "others change it without end; try again");
}

absl::StatusOr<ClusterOperation> OperationManager::Finish(
    absl::string_view name, absl::StatusOr<std::string> result,
    const Txn& companion) {
  return Update(
      name,
      [&result](ClusterOperation& operation) {
        operation.done = true;
        operation.step = "done";
        operation.request.clear();
        if (result.ok()) {
          operation.response = *result;
        } else {
          operation.error = result.status();
        }
      },
      companion);
}

absl::StatusOr<ClusterOperation> OperationManager::RequestCancel(
    absl::string_view name) {
  return Update(name, [](ClusterOperation& operation) {
    operation.cancel_requested = true;
  });
}

std::vector<OperationManager::Entry> OperationManager::List(
    Visible visible, int64_t limit, const ClusterOperation* start_after) const {
  std::vector<Entry> page;
  for (Entry& entry : index_.All()) {
    if (limit > 0 && static_cast<int64_t>(page.size()) == limit) break;
    if (start_after != nullptr) {
      if (entry->create_time > start_after->create_time) continue;
      if (entry->create_time == start_after->create_time &&
          entry->name <= start_after->name) {
        continue;
      }
    }
    if (visible(*entry)) page.push_back(std::move(entry));
  }
  return page;
}

std::vector<OperationManager::Entry> OperationManager::Unfinished() const {
  std::vector<Entry> unfinished =
      List([](const ClusterOperation& operation) { return !operation.done; }, 0,
           nullptr);
  std::reverse(unfinished.begin(), unfinished.end());
  return unfinished;
}

absl::Status OperationManager::Maintain() {
  bool broken;
  {
    absl::MutexLock lock(&mutex_);
    broken = watch_broken_;
  }
  // A failure leaves no watch: the next call tries again.
  if (broken || watch_ == nullptr) RETURN_IF_ERROR(Synchronize());
  return CollectGarbage();
}

absl::Status OperationManager::CollectGarbage() {
  const absl::Time oldest = options_.clock->Now() - options_.retention;
  const std::vector<Entry> expired = List(
      [oldest](const ClusterOperation& operation) {
        return operation.done && operation.done_time <= oldest;
      },
      0, nullptr);
  for (const Entry& operation : expired) {
    const std::string key = KeyOf(operation->name);
    ASSIGN_OR_RETURN(
        const TxnResult result,
        store_->Commit(
            Txn().IfModRevision(key, operation->mod_revision).DeleteKey(key)));
    if (result.committed) Forget(operation->name, result.revision);
  }
  return absl::OkStatus();
}

}  // namespace innkeeper
