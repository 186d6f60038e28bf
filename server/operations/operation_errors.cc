#include "server/operations/operation_errors.h"

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/reason.h"

namespace innkeeper {

absl::Status OperationNotFoundError(absl::string_view name) {
  return Error(absl::StatusCode::kNotFound, reason::kOperationNotFound,
               absl::StrCat("operation '", name, "' does not exist"))
      .With("operation", name);
}

}  // namespace innkeeper
