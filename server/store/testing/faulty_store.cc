#include "server/store/testing/faulty_store.h"

#include <utility>

#include "base/status_macros.h"
#include "server/store/store_errors.h"

namespace innkeeper {

void FaultyStore::ChooseFaults(Chooser chooser) {
  absl::MutexLock lock(&mutex_);
  chooser_ = std::move(chooser);
}

void FaultyStore::FailNextCommits(std::vector<CommitFault> faults) {
  ChooseFaults(
      [faults = std::move(faults), next = size_t{0}](const Txn&) mutable {
        return next < faults.size() ? faults[next++] : CommitFault::kNone;
      });
}

void FaultyStore::FailReads(bool fail) {
  absl::MutexLock lock(&mutex_);
  fail_reads_ = fail;
}

void FaultyStore::DeliverLate() {
  std::vector<Txn> late;
  {
    absl::MutexLock lock(&mutex_);
    late.swap(late_);
  }
  for (const Txn& txn : late) store_->Commit(txn).IgnoreError();
}

int64_t FaultyStore::commits() const {
  absl::MutexLock lock(&mutex_);
  return commits_;
}

CommitFault FaultyStore::ChooseFault(const Txn& txn) {
  absl::MutexLock lock(&mutex_);
  ++commits_;
  const CommitFault fault = chooser_ ? chooser_(txn) : CommitFault::kNone;
  if (fault == CommitFault::kUnknownLate) late_.push_back(txn);
  return fault;
}

absl::Status FaultyStore::CheckReads() {
  absl::MutexLock lock(&mutex_);
  return fail_reads_ ? StoreUnavailableError("reads fail by order")
                     : absl::OkStatus();
}

absl::StatusOr<GetResult> FaultyStore::Get(absl::string_view key) {
  RETURN_IF_ERROR(CheckReads());
  return store_->Get(key);
}

absl::StatusOr<ListResult> FaultyStore::List(absl::string_view prefix,
                                             int64_t limit,
                                             absl::string_view start_after) {
  RETURN_IF_ERROR(CheckReads());
  return store_->List(prefix, limit, start_after);
}

absl::StatusOr<TxnResult> FaultyStore::Commit(const Txn& txn) {
  switch (ChooseFault(txn)) {
    case CommitFault::kNone:
      break;
    case CommitFault::kUnavailable:
      return StoreUnavailableError("the commit fails by order");
    case CommitFault::kUnknownApplied:
      RETURN_IF_ERROR(store_->Commit(txn).status());
      return OutcomeUnknownError("the answer was lost by order");
    case CommitFault::kUnknownLost:
    case CommitFault::kUnknownLate:
      return OutcomeUnknownError("the request was lost by order");
    case CommitFault::kConflict:
      Disturb(txn);
      break;
  }
  return store_->Commit(txn);
}

void FaultyStore::Disturb(const Txn& txn) {
  for (const Compare& compare : txn.compares) {
    const absl::StatusOr<GetResult> read = store_->Get(compare.key);
    if (!read.ok() || !read->kv.has_value()) continue;
    // Only if it still stands: a lost update would be a fault of ours.
    store_
        ->Commit(Txn()
                     .IfModRevision(compare.key, read->kv->mod_revision)
                     .PutKey(compare.key, read->kv->value))
        .IgnoreError();
  }
}

std::unique_ptr<Watch> FaultyStore::StartWatch(absl::string_view prefix,
                                               int64_t from_revision,
                                               WatchCallback callback) {
  return store_->StartWatch(prefix, from_revision, std::move(callback));
}

absl::Status FaultyStore::Compact(int64_t revision) {
  return store_->Compact(revision);
}

}  // namespace innkeeper
