// Waits for operations and tells how they go.
#ifndef INNKEEPER_CLI_OPERATION_WAITER_H_
#define INNKEEPER_CLI_OPERATION_WAITER_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cli/session.h"
#include "google/longrunning/operations.pb.h"

namespace innkeeper {

// "launch of guests/web", from the operation's metadata; its name without.
std::string DescribeOperation(const google::longrunning::Operation& operation);

// Blocks until `operation` is done and returns it as it then is; a failed one
// is its error. A service that is away for a while is asked again.
//
// DEADLINE_EXCEEDED after `timeout`, saying what was waited for and what is;
// CANCELLED on Ctrl-C, naming the operation. In both cases it goes on.
absl::StatusOr<google::longrunning::Operation> AwaitOperation(
    Session& session, google::longrunning::Operation operation,
    absl::Duration timeout);

}  // namespace innkeeper

#endif  // INNKEEPER_CLI_OPERATION_WAITER_H_
