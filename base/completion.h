// What an asynchronous call does with its answer.
#ifndef INNKEEPER_BASE_COMPLETION_H_
#define INNKEEPER_BASE_COMPLETION_H_

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace innkeeper {

// Called exactly once. Which thread calls it is the callee's to say.
template <typename T>
using Completion = absl::AnyInvocable<void(absl::StatusOr<T>)>;

using StatusCompletion = absl::AnyInvocable<void(absl::Status)>;

}  // namespace innkeeper

#endif  // INNKEEPER_BASE_COMPLETION_H_
