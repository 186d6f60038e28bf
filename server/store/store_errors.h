// The errors that every implementation of Store words alike.
#ifndef INNKEEPER_SERVER_STORE_STORE_ERRORS_H_
#define INNKEEPER_SERVER_STORE_STORE_ERRORS_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace innkeeper {

// OUT_OF_RANGE (REVISION_COMPACTED): changes before `first_kept` are gone.
absl::Status CompactedError(int64_t from_revision, int64_t first_kept);

// INVALID_ARGUMENT (INVALID_REQUEST): the store has yet to reach `revision`.
absl::Status FutureRevisionError(int64_t revision, int64_t present);

// UNKNOWN (STORE_OUTCOME_UNKNOWN), `cause` saying why.
absl::Status OutcomeUnknownError(absl::string_view cause);

// UNAVAILABLE (STORE_UNAVAILABLE), `cause` saying why.
absl::Status StoreUnavailableError(absl::string_view cause);

}  // namespace innkeeper

#endif  // INNKEEPER_SERVER_STORE_STORE_ERRORS_H_
