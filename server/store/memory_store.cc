#include "server/store/memory_store.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "base/status_macros.h"
#include "server/store/store_errors.h"

namespace innkeeper {
namespace {

constexpr int64_t kMaxHistory = 10'000;
constexpr int64_t kMaxPageBatches = 256;

}  // namespace

MemoryStore::MemoryStore()
    : dispatcher_(0, [this](int64_t from) { return ReadHistory(from); }) {}

MemoryStore::~MemoryStore() = default;

absl::StatusOr<GetResult> MemoryStore::Get(absl::string_view key) {
  absl::MutexLock lock(&mutex_);
  GetResult result;
  result.revision = revision_;
  const auto entry = entries_.find(key);
  if (entry != entries_.end()) result.kv = entry->second;
  return result;
}

absl::StatusOr<ListResult> MemoryStore::List(absl::string_view prefix,
                                             int64_t limit,
                                             absl::string_view start_after) {
  absl::MutexLock lock(&mutex_);
  ListResult result;
  result.revision = revision_;
  auto entry = start_after < prefix ? entries_.lower_bound(prefix)
                                    : entries_.upper_bound(start_after);
  for (; entry != entries_.end(); ++entry) {
    if (!absl::StartsWith(entry->first, prefix)) break;
    if (limit > 0 && static_cast<int64_t>(result.kvs.size()) == limit) {
      result.more = true;
      break;
    }
    result.kvs.push_back(entry->second);
  }
  return result;
}

int64_t MemoryStore::ModRevision(absl::string_view key) const {
  const auto entry = entries_.find(key);
  return entry == entries_.end() ? 0 : entry->second.mod_revision;
}

absl::StatusOr<TxnResult> MemoryStore::Commit(const Txn& txn) {
  RETURN_IF_ERROR(ValidateTxn(txn));
  TxnResult result;
  {
    absl::MutexLock lock(&mutex_);
    result.committed = true;
    for (const Compare& compare : txn.compares) {
      if (!Holds(compare, ModRevision(compare.key))) result.committed = false;
    }
    if (result.committed) {
      Apply(txn);
    } else {
      std::map<std::string, KeyValue> current;
      for (const Compare& compare : txn.compares) {
        const auto entry = entries_.find(compare.key);
        if (entry != entries_.end()) current.insert(*entry);
      }
      for (auto& [key, kv] : current) result.current.push_back(std::move(kv));
    }
    result.revision = revision_;
  }
  dispatcher_.Advance(result.revision);
  return result;
}

void MemoryStore::Apply(const Txn& txn) {
  WatchBatch batch{revision_ + 1, {}};
  for (const Put& put : txn.puts) {
    const KeyValue kv{put.key, put.value, batch.revision};
    entries_[put.key] = kv;
    batch.events.push_back({StoreEvent::Type::kPut, kv});
  }
  for (const std::string& key : txn.deletes) {
    if (entries_.erase(key) == 0) continue;
    batch.events.push_back(
        {StoreEvent::Type::kDelete, {key, "", batch.revision}});
  }
  if (batch.events.empty()) return;
  std::sort(batch.events.begin(), batch.events.end(),
            [](const StoreEvent& a, const StoreEvent& b) {
              return a.kv.key < b.kv.key;
            });
  revision_ = batch.revision;
  history_.push_back(std::move(batch));
  if (static_cast<int64_t>(history_.size()) > kMaxHistory) {
    history_.pop_front();
    ++first_kept_;
  }
}

std::unique_ptr<Watch> MemoryStore::StartWatch(absl::string_view prefix,
                                               int64_t from_revision,
                                               WatchCallback callback) {
  return dispatcher_.StartWatch(prefix, from_revision, std::move(callback));
}

absl::Status MemoryStore::Compact(int64_t revision) {
  absl::MutexLock lock(&mutex_);
  if (revision > revision_) return FutureRevisionError(revision, revision_);
  while (first_kept_ < revision) {
    history_.pop_front();
    ++first_kept_;
  }
  return absl::OkStatus();
}

absl::StatusOr<HistoryPage> MemoryStore::ReadHistory(int64_t from_revision) {
  absl::MutexLock lock(&mutex_);
  if (from_revision < first_kept_) {
    return CompactedError(from_revision, first_kept_);
  }
  HistoryPage page;
  for (int64_t at = from_revision - first_kept_;
       at < static_cast<int64_t>(history_.size()) &&
       static_cast<int64_t>(page.batches.size()) < kMaxPageBatches;
       ++at) {
    page.batches.push_back(history_[at]);
  }
  page.last_revision =
      from_revision + static_cast<int64_t>(page.batches.size()) - 1;
  return page;
}

}  // namespace innkeeper
