#include "rpc/channel.h"

#include <chrono>
#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/reason.h"
#include "grpc/grpc.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/support/channel_arguments.h"

namespace innkeeper {
namespace {

constexpr int kMaxMessageBytes = 4 << 20;
constexpr absl::string_view kUnix = "unix:";

grpc::ChannelArguments Arguments() {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  arguments.SetMaxSendMessageSize(kMaxMessageBytes);
  // The server takes no more than a ping every 10 s.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 30000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10000);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 200);
  // Also the time that gRPC gives a connection until it is secured: too short,
  // and over a slow way none ever is. A refusal does not wait for it.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 5000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 5000);
  arguments.SetInt(GRPC_ARG_MAX_METADATA_SIZE, 16384);
  // No connection is shared with channels of other credentials or lives.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  return arguments;
}

absl::Status BadTarget(absl::string_view target) {
  return Error(absl::StatusCode::kInvalidArgument, reason::kConfigInvalid,
               absl::StrCat("'", target,
                            "' is no target: write HOST:PORT or unix:/PATH"))
      .With("target", target);
}

}  // namespace

absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeChannel(
    const std::string& target, const TlsOptions& options) {
  if (absl::StartsWith(target, kUnix)) return MakeLocalChannel(target);
  const size_t colon = target.rfind(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == target.size() ||
      absl::StrContains(target, "/")) {
    return BadTarget(target);
  }
  return grpc::CreateCustomChannel(absl::StrCat("dns:///", target),
                                   MakeChannelCredentials(options),
                                   Arguments());
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeLocalChannel(
    const std::string& target) {
  if (!absl::StartsWith(target, "unix:/")) return BadTarget(target);
  grpc::ChannelArguments arguments = Arguments();
  // The path is no name of a host.
  arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, "localhost");
  return grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(),
                                   arguments);
}

void SetTimeout(grpc::ClientContext* context, absl::Duration timeout) {
  context->set_deadline(absl::ToChronoTime(absl::Now() + timeout));
}

void SetDelegation(grpc::ClientContext* context, const Delegation& delegation) {
  context->AddMetadata(kDelegationKey, SerializeDelegation(delegation));
}

}  // namespace innkeeper
