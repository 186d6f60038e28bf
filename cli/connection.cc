#include "cli/connection.h"

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "auth/certificate.h"
#include "auth/principal.h"
#include "auth/tls_credentials.h"
#include "auth/tls_init.h"
#include "base/status_macros.h"
#include "cli/certificate_check.h"
#include "cli/remotes.h"
#include "grpcpp/channel.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/support/channel_arguments.h"

namespace innkeeper {
namespace {

grpc::ChannelArguments Arguments() {
  grpc::ChannelArguments arguments;
  // A dead service is noticed under an open stream; the service allows a ping
  // every 20 s.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 30000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10000);
  // A retry is a new attempt, and not the memory of the last one.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2000);
  return arguments;
}

absl::StatusOr<TlsOptions> TlsOptionsOf(const Remote& remote) {
  TlsOptions options;
  ASSIGN_OR_RETURN(options.files.trust_domain, TrustDomainOf(remote.cert));
  options.files.ca_path = remote.ca;
  options.files.certificate_path = remote.cert;
  options.files.key_path = remote.key;
  if (remote.server_name.empty()) {
    options.expected.kinds = {PrincipalKind::kServer, PrincipalKind::kHost,
                              PrincipalKind::kGateway};
  } else {
    ASSIGN_OR_RETURN(options.expected.principal,
                     Principal::Parse(remote.server_name));
  }
  return options;
}

}  // namespace

absl::StatusOr<std::shared_ptr<grpc::Channel>> OpenChannel(
    const Remote& remote) {
  if (IsUnixAddress(remote.address)) {
    return grpc::CreateCustomChannel(
        remote.address, grpc::InsecureChannelCredentials(), Arguments());
  }
  ASSIGN_OR_RETURN(const TlsOptions options, TlsOptionsOf(remote));
  ASSIGN_OR_RETURN(const Certificate certificate,
                   CheckTlsFiles(options.files, TlsRole::kClient, absl::Now()));
  RETURN_IF_ERROR(InitTls());
  return grpc::CreateCustomChannel(
      remote.address, MakeChannelCredentials(options), Arguments());
}

}  // namespace innkeeper
