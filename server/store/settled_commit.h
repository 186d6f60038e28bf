// Commits that do not end with an unknown outcome, if it can be helped.
#ifndef INNKEEPER_SERVER_STORE_SETTLED_COMMIT_H_
#define INNKEEPER_SERVER_STORE_SETTLED_COMMIT_H_

#include <optional>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/store/store.h"

namespace innkeeper {

// Commits `txn`. While the outcome is unknown it commits the same again, up to
// 10 times in all, which is safe because `txn` must hold a compare that fails
// once `txn` has been applied. When that compare fails, `applied` looks at the
// key `witness` as it stands (empty: absent) and says whether an earlier try
// is the cause; then the answer is "committed", at the revision of `witness`.
//
// Blocks. Errors as Store::Commit; UNKNOWN only if every try left it open, and
// then the change may still come about.
absl::StatusOr<TxnResult> CommitSettled(
    Store* store, const Txn& txn, absl::string_view witness,
    absl::FunctionRef<bool(const std::optional<KeyValue>&)> applied);

}  // namespace innkeeper

#endif  // INNKEEPER_SERVER_STORE_SETTLED_COMMIT_H_
