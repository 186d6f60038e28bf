// The errors about operations that several files give.
#ifndef INNKEEPER_SERVER_OPERATIONS_OPERATION_ERRORS_H_
#define INNKEEPER_SERVER_OPERATIONS_OPERATION_ERRORS_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace innkeeper {

// NOT_FOUND (OPERATION_NOT_FOUND).
absl::Status OperationNotFoundError(absl::string_view name);

}  // namespace innkeeper

#endif  // INNKEEPER_SERVER_OPERATIONS_OPERATION_ERRORS_H_
