// Early return on a failed absl::Status or absl::StatusOr.
#ifndef INNKEEPER_BASE_STATUS_MACROS_H_
#define INNKEEPER_BASE_STATUS_MACROS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define RETURN_IF_ERROR(expression)                        \
  do {                                                     \
    absl::Status innkeeper_status_ = (expression);         \
    if (!innkeeper_status_.ok()) return innkeeper_status_; \
  } while (false)

#define ASSIGN_OR_RETURN(left, expression) \
  INNKEEPER_ASSIGN_OR_RETURN_(             \
      INNKEEPER_CONCAT_(innkeeper_statusor_, __LINE__), left, expression)

#define INNKEEPER_ASSIGN_OR_RETURN_(statusor, left, expression) \
  auto statusor = (expression);                                 \
  if (!statusor.ok()) return std::move(statusor).status();      \
  left = *std::move(statusor)

#define INNKEEPER_CONCAT_(a, b) INNKEEPER_CONCAT_INNER_(a, b)
#define INNKEEPER_CONCAT_INNER_(a, b) a##b

#endif  // INNKEEPER_BASE_STATUS_MACROS_H_
