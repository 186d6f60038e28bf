#include "server/inventory/server_log.h"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/error.h"
#include "base/log.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "base/uuid.h"
#include "server/store/settled_commit.h"

namespace innkeeper {
namespace {

constexpr absl::string_view kPrefix = "events/";
// Epoch, a blank, the last sequence.
constexpr absl::string_view kHeadKey = "events_head";
constexpr absl::Duration kMaxAge = absl::Hours(24);
constexpr size_t kMaxWaiting = 4096;

std::string KeyOf(int64_t sequence) {
  return absl::StrCat(kPrefix, absl::StrFormat("%020d", sequence));
}

absl::Status Damaged(absl::string_view key) {
  return Error(absl::StatusCode::kDataLoss, reason::kInternal,
               absl::StrCat(key, " in the store cannot be read"))
      .With("key", key);
}

}  // namespace

absl::StatusOr<std::unique_ptr<ServerLog>> ServerLog::Create(
    Store* store, const Clock* clock) {
  ASSIGN_OR_RETURN(const GetResult stored, store->Get(kHeadKey));
  Position head;
  if (stored.kv.has_value()) {
    const std::vector<std::string> parts =
        absl::StrSplit(stored.kv->value, ' ');
    if (parts.size() != 2 || !absl::SimpleAtoi(parts[1], &head.sequence)) {
      return Damaged(kHeadKey);
    }
    head.epoch = parts[0];
  } else {
    head.epoch = MakeUuid();
  }
  return absl::WrapUnique(new ServerLog(store, clock, std::move(head)));
}

ServerLog::ServerLog(Store* store, const Clock* clock, Position head)
    : store_(store),
      clock_(clock),
      opened_at_(head),
      head_(std::move(head)),
      worker_("server-log", 1, kMaxWaiting) {}

void ServerLog::ClearSink() {
  absl::Notification cleared;
  const auto clear = [&] {
    return worker_.Submit([&] {
      sink_ = nullptr;
      cleared.Notify();
    });
  };
  // A full queue empties by itself, for the worker waits for nobody.
  while (!clear().ok()) absl::SleepFor(absl::Milliseconds(1));
  cleared.WaitForNotification();
}

void ServerLog::Append(absl::string_view type, absl::string_view host,
                       absl::string_view caller, absl::string_view message) {
  v1::Event event;
  event.set_host(kHost);
  event.set_type(std::string(type));
  event.set_caller(std::string(caller));
  event.set_message(
      absl::StrCat("hosts/", host, message.empty() ? "" : ": ", message));
  const absl::Time now = clock_->Now();
  event.mutable_time()->set_seconds(absl::ToUnixSeconds(now));
  const absl::Status submitted =
      worker_.Submit([this, event = std::move(event)]() mutable {
        const std::string type = event.type();
        const absl::Status written = Write(std::move(event));
        if (!written.ok()) {
          LogError("server_log.lost",
                   {{"event", type}, {"error", written.message()}});
        }
      });
  if (!submitted.ok()) LogError("server_log.lost", {{"event", type}});
}

absl::Status ServerLog::Write(v1::Event event) {
  const int64_t sequence = head_.sequence + 1;
  event.set_epoch(head_.epoch);
  event.set_sequence(sequence);
  const std::string value = event.SerializeAsString();
  const std::string key = KeyOf(sequence);
  Txn txn;
  txn.IfAbsent(key)
      .PutKey(key, value)
      .PutKey(kHeadKey, absl::StrCat(head_.epoch, " ", sequence));
  if (sequence > kMaxEvents) txn.DeleteKey(KeyOf(sequence - kMaxEvents));
  ASSIGN_OR_RETURN(
      const TxnResult result,
      CommitSettled(store_, txn, key, [&](const std::optional<KeyValue>& kv) {
        return kv.has_value() && kv->value == value;
      }));
  if (!result.committed) return Damaged(key);
  head_.sequence = sequence;
  if (sink_) sink_(std::move(event));
  return absl::OkStatus();
}

void ServerLog::Read(const Position& after, int limit,
                     Completion<std::vector<v1::Event>> done) {
  auto answer =
      std::make_shared<Completion<std::vector<v1::Event>>>(std::move(done));
  const absl::Status submitted = worker_.Submit(
      [this, after, limit, answer] { (*answer)(ReadNow(after, limit)); });
  if (!submitted.ok()) (*answer)(submitted);
}

absl::StatusOr<std::vector<v1::Event>> ServerLog::ReadNow(const Position& after,
                                                          int limit) {
  const absl::Status gone =
      Error(absl::StatusCode::kOutOfRange, reason::kHistoryGone,
            "the server's events since then are no longer kept; list afresh")
          .With("host", kHost);
  if (!after.epoch.empty() && after.epoch != head_.epoch) return gone;
  const std::string start =
      after.epoch.empty() ? std::string() : KeyOf(after.sequence);
  ASSIGN_OR_RETURN(const ListResult page, store_->List(kPrefix, limit, start));
  std::vector<v1::Event> events;
  for (const KeyValue& kv : page.kvs) {
    if (!events.emplace_back().ParseFromString(kv.value)) {
      return Damaged(kv.key);
    }
  }
  const bool behind =
      !after.epoch.empty() && after.sequence < head_.sequence &&
      (events.empty() || events.front().sequence() != after.sequence + 1);
  if (behind) return gone;
  return events;
}

void ServerLog::CollectGarbage() {
  const absl::Status submitted = worker_.Submit([this] {
    const absl::Status deleted = DeleteOld();
    if (!deleted.ok()) {
      LogWarning("server_log.garbage", {{"error", deleted.message()}});
    }
  });
  if (!submitted.ok()) LogWarning("server_log.garbage", {{"error", "busy"}});
}

absl::Status ServerLog::DeleteOld() {
  const int64_t limit =
      absl::ToUnixSeconds(clock_->Now()) - absl::ToInt64Seconds(kMaxAge);
  ASSIGN_OR_RETURN(const ListResult page,
                   store_->List(kPrefix, kMaxTxnOps, ""));
  Txn txn;
  for (const KeyValue& kv : page.kvs) {
    v1::Event event;
    if (!event.ParseFromString(kv.value)) return Damaged(kv.key);
    if (event.time().seconds() >= limit) break;
    txn.DeleteKey(kv.key);
  }
  if (txn.deletes.empty()) return absl::OkStatus();
  return store_->Commit(txn).status();
}

}  // namespace innkeeper
