// How our clients reach our servers.
#ifndef INNKEEPER_RPC_CHANNEL_H_
#define INNKEEPER_RPC_CHANNEL_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "auth/delegation.h"
#include "auth/tls_credentials.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"

namespace innkeeper {

// A channel to `target`: "HOST:PORT" by mutual TLS with `options`, or
// "unix:/PATH" without. It connects when first used, reconnects by itself with
// at most 5 s between tries, and notices a dead peer within 40 s. Messages of
// up to 4 MiB. Each channel has connections of its own. INVALID_ARGUMENT for a
// target of any other form. InitTls() comes first.
absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeChannel(
    const std::string& target, const TlsOptions& options);

// A channel to "unix:/PATH".
absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeLocalChannel(
    const std::string& target);

// `context`'s call ends after `timeout`.
void SetTimeout(grpc::ClientContext* context, absl::Duration timeout);

// `context`'s call is for somebody else. Once for each call; it may come before
// or after SetTimeout, and does not change the deadline.
void SetDelegation(grpc::ClientContext* context, const Delegation& delegation);

}  // namespace innkeeper

#endif  // INNKEEPER_RPC_CHANNEL_H_
