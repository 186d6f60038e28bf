#include "server/operations/request_ledger.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/log.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "openssl/sha.h"
#include "server/operations/operation_storage.pb.h"
#include "server/store/keys.h"

namespace innkeeper {
namespace {

using server::storage::StoredRequest;

constexpr int64_t kPageSize = 1000;

std::string KeyOf(const RequestKey& key) {
  return keys::Request(key.caller, key.method, key.request_id);
}

std::string Sha256(absl::string_view bytes) {
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
         reinterpret_cast<unsigned char*>(digest.data()));
  return digest;
}

absl::StatusOr<StoredRequest> Parse(const KeyValue& kv) {
  StoredRequest stored;
  if (!stored.ParseFromString(kv.value)) {
    return Error(absl::StatusCode::kDataLoss, reason::kInternal,
                 absl::StrCat("the value of store key '",
                              absl::CHexEscape(kv.key), "' is no request"))
        .With("key", kv.key);
  }
  return stored;
}

bool IsExpired(const StoredRequest& stored, absl::Time now,
               absl::Duration life) {
  return absl::FromUnixMicros(stored.create_unix_us()) + life <= now;
}

}  // namespace

absl::StatusOr<RequestSlot> RequestLedger::Find(const RequestKey& key) const {
  RequestSlot slot;
  if (key.request_id.empty()) return slot;
  ASSIGN_OR_RETURN(const GetResult read, store_->Get(KeyOf(key)));
  if (!read.kv.has_value()) return slot;
  ASSIGN_OR_RETURN(const StoredRequest stored, Parse(*read.kv));
  if (IsExpired(stored, clock_->Now(), life_)) {
    slot.mod_revision = read.kv->mod_revision;
    return slot;
  }
  if (stored.body_sha256() != Sha256(key.body)) {
    return Error(absl::StatusCode::kInvalidArgument, reason::kRequestIdReused,
                 absl::StrCat("request_id '", absl::CHexEscape(key.request_id),
                              "' was used for another request to ", key.method,
                              "; use a new one for each request"))
        .With("request_id", key.request_id)
        .With("method", key.method)
        .Field("request_id", "was used for another request");
  }
  slot.answer = RequestAnswer{stored.operation(), stored.response()};
  return slot;
}

Txn RequestLedger::MakeEntry(const RequestKey& key, const RequestSlot& slot,
                             const RequestAnswer& answer) const {
  if (key.request_id.empty()) return Txn();
  StoredRequest stored;
  stored.set_body_sha256(Sha256(key.body));
  stored.set_operation(answer.operation);
  stored.set_response(answer.response);
  stored.set_create_unix_us(absl::ToUnixMicros(clock_->Now()));
  return Txn()
      .IfUnchanged(KeyOf(key), slot.mod_revision)
      .PutKey(KeyOf(key), stored.SerializeAsString());
}

absl::Status RequestLedger::CollectGarbage() const {
  const absl::Time now = clock_->Now();
  std::string start_after;
  while (true) {
    ASSIGN_OR_RETURN(const ListResult page,
                     store_->List(keys::kRequests, kPageSize, start_after));
    Txn txn;
    for (const KeyValue& kv : page.kvs) {
      start_after = kv.key;
      const absl::StatusOr<StoredRequest> stored = Parse(kv);
      if (!stored.ok()) {
        LogError("request.unreadable", {{"key", absl::CHexEscape(kv.key)}});
        continue;
      }
      if (!IsExpired(*stored, now, life_)) continue;
      // An entry renewed meanwhile stays, with this batch, until next time.
      txn.IfModRevision(kv.key, kv.mod_revision).DeleteKey(kv.key);
      if (txn.deletes.size() == kMaxTxnOps) {
        RETURN_IF_ERROR(store_->Commit(std::exchange(txn, Txn())).status());
      }
    }
    RETURN_IF_ERROR(store_->Commit(txn).status());
    if (!page.more) return absl::OkStatus();
  }
}

}  // namespace innkeeper
