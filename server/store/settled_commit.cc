#include "server/store/settled_commit.h"

#include "base/log.h"

namespace innkeeper {
namespace {

constexpr int kMaxTries = 10;

}  // namespace

absl::StatusOr<TxnResult> CommitSettled(
    Store* store, const Txn& txn, absl::string_view witness,
    absl::FunctionRef<bool(const std::optional<KeyValue>&)> applied) {
  absl::Status unknown;
  for (int tries = 0; tries < kMaxTries; ++tries) {
    absl::StatusOr<TxnResult> result = store->Commit(txn);
    if (!result.ok()) {
      if (IsOutcomeUnknown(result.status())) {
        LogWarning("store.outcome_unknown",
                   {{"witness", witness}, {"try", tries + 1}});
        unknown = result.status();
        continue;
      }
      // That this try wrote nothing says nothing of those before it.
      if (unknown.ok()) return result;
      continue;
    }
    if (result->committed || unknown.ok()) return result;
    const absl::StatusOr<GetResult> read = store->Get(witness);
    if (!read.ok()) continue;
    if (applied(read->kv)) {
      result->committed = true;
      result->current.clear();
      result->revision =
          read->kv.has_value() ? read->kv->mod_revision : read->revision;
    }
    return result;
  }
  return unknown;
}

}  // namespace innkeeper
