// A channel to a remote.
#ifndef INNKEEPER_CLI_CONNECTION_H_
#define INNKEEPER_CLI_CONNECTION_H_

#include <memory>

#include "absl/status/statusor.h"
#include "cli/remotes.h"
#include "grpcpp/channel.h"

namespace innkeeper {

// Reads the certificates of `remote` and makes a channel to it: mutual TLS 1.3,
// where the one that answers must be `server_name`; without TLS for a unix
// socket. Connects with the first call. An unreadable or refused file is an
// error here.
absl::StatusOr<std::shared_ptr<grpc::Channel>> OpenChannel(
    const Remote& remote);

}  // namespace innkeeper

#endif  // INNKEEPER_CLI_CONNECTION_H_
