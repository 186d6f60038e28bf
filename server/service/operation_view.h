// The cluster's operations in the words of the API.
#ifndef INNKEEPER_SERVER_SERVICE_OPERATION_VIEW_H_
#define INNKEEPER_SERVER_SERVICE_OPERATION_VIEW_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "google/longrunning/operations.pb.h"
#include "server/operations/cluster_operation.h"

namespace innkeeper {

// "launch" of "innkeeper.v1.Guests/LaunchGuest".
std::string VerbOf(absl::string_view method);

// DATA_LOSS (INTERNAL) for a response that is not what was stored.
absl::StatusOr<google::longrunning::Operation> ToOperation(
    const ClusterOperation& operation);

// The step that an agent says its operation has reached; empty if it says none.
std::string StepOf(const google::longrunning::Operation& operation);

// What an agent's finished operation came to: the response as it is stored, or
// its error.
absl::StatusOr<std::string> ResultOf(
    const google::longrunning::Operation& operation);

}  // namespace innkeeper

#endif  // INNKEEPER_SERVER_SERVICE_OPERATION_VIEW_H_
