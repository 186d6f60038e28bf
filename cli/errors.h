// Errors from the wire, and how they are told.
#ifndef INNKEEPER_CLI_ERRORS_H_
#define INNKEEPER_CLI_ERRORS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/support/status.h"

namespace innkeeper {

// The status of a call, with reason, metadata and violations as payloads
// (base/error.h).
absl::Status FromGrpc(const grpc::Status& status);

// The error of an operation, likewise.
absl::Status FromOperationError(const google::rpc::Status& status);

// Input: untrusted. `status` as lines for a terminal, neutralised: "inn: what:
// message", a line for each violation, the way out and the reason. `status` is
// not OK.
std::string ErrorText(absl::string_view what, const absl::Status& status);

}  // namespace innkeeper

#endif  // INNKEEPER_CLI_ERRORS_H_
