// Errors on their way out to a client and in from a server.
#ifndef INNKEEPER_RPC_STATUS_MAP_H_
#define INNKEEPER_RPC_STATUS_MAP_H_

#include "absl/status/status.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/support/status.h"

namespace innkeeper {

// The domain of every ErrorInfo.
inline constexpr char kErrorDomain[] = "innkeeper.dev";

// What a client is told: the code, the message, and as google.rpc details
// ErrorInfo (always), BadRequest, PreconditionFailure, RetryInfo and
// ResourceInfo where `status` has what belongs there. An error without a reason
// is a fault of ours: it leaves as INTERNAL and is logged.
//
// All of it fits into the 8 KiB of metadata that gRPC allows: texts are cut
// evenly, and what is left out is counted.
grpc::Status ToGrpcStatus(const absl::Status& status);

// The inverse, as far as nothing was cut. Input: untrusted. An error of the
// transport, which has no details, has no reason.
absl::Status FromGrpcStatus(const grpc::Status& status);

// The same for the error of an operation. Less is cut: up to 64 KiB.
google::rpc::Status ToRpcStatus(const absl::Status& status);
absl::Status FromRpcStatus(const google::rpc::Status& status);

}  // namespace innkeeper

#endif  // INNKEEPER_RPC_STATUS_MAP_H_
