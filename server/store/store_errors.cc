#include "server/store/store_errors.h"

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/reason.h"

namespace innkeeper {

absl::Status CompactedError(int64_t from_revision, int64_t first_kept) {
  return Error(absl::StatusCode::kOutOfRange, reason::kRevisionCompacted,
               absl::StrCat("changes from revision ", from_revision,
                            " on are no longer kept, only those from ",
                            first_kept, " on; list again, then watch"))
      .With("from_revision", absl::StrCat(from_revision))
      .With("first_kept", absl::StrCat(first_kept));
}

absl::Status FutureRevisionError(int64_t revision, int64_t present) {
  return Error(absl::StatusCode::kInvalidArgument, reason::kInvalidRequest,
               absl::StrCat("revision ", revision,
                            " is in the future: the store is at ", present))
      .With("revision", absl::StrCat(revision))
      .With("present", absl::StrCat(present));
}

absl::Status OutcomeUnknownError(absl::string_view cause) {
  return Error(
      absl::StatusCode::kUnknown, reason::kStoreOutcomeUnknown,
      absl::StrCat("it is not known whether the change was made: ", cause));
}

absl::Status StoreUnavailableError(absl::string_view cause) {
  return Error(absl::StatusCode::kUnavailable, reason::kStoreUnavailable,
               absl::StrCat("the store is unavailable: ", cause));
}

}  // namespace innkeeper
