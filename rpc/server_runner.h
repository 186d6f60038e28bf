// Builds, serves, drains and stops the gRPC server of a process.
#ifndef INNKEEPER_RPC_SERVER_RUNNER_H_
#define INNKEEPER_RPC_SERVER_RUNNER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "grpcpp/impl/codegen/service_type.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server.h"
#include "rpc/acceptor.h"
#include "rpc/access_table.h"
#include "rpc/connection_table.h"
#include "rpc/gate.h"

namespace innkeeper {

// Use from one thread.
class ServerRunner {
 public:
  struct Options {
    // "IP:PORT" or "[IPv6]:PORT"; mutual TLS with `credentials`.
    std::vector<std::string> tcp_addresses;
    // Socket paths for callers on this machine.
    std::vector<std::string> unix_paths;
    // For TCP: MakeServerCredentials of auth/tls_credentials.h.
    std::shared_ptr<grpc::ServerCredentials> credentials;
    // Callback services, and their gate. All must outlive the runner.
    std::vector<grpc::Service*> services;
    Gate* gate = nullptr;
    const AccessTable* access = nullptr;
    ConnectionTable* connections = nullptr;
    Acceptor::Options acceptor;
  };

  // Listens and serves. FAILED_PRECONDITION (CONFIG_INVALID) if a service has a
  // method without an access rule: it then serves nothing. Other errors are
  // those of listening. InitTls() comes first.
  static absl::StatusOr<std::unique_ptr<ServerRunner>> Start(
      const Options& options);
  // As Stop() without grace.
  ~ServerRunner();
  ServerRunner(const ServerRunner&) = delete;
  ServerRunner& operator=(const ServerRunner&) = delete;

  // Where it listens: "127.0.0.1:41001", "unix:/run/x.sock"; TCP first.
  std::vector<std::string> addresses() const { return acceptor_->addresses(); }

  // Accepts nothing more, ends streams (SHUTTING_DOWN), waits up to `grace` for
  // unary calls and then cancels what is left. Connections without a call hold
  // it up for a fraction of a second only. Blocks until no handler runs. Does
  // nothing the second time.
  void Stop(absl::Duration grace);

  const Acceptor& acceptor() const { return *acceptor_; }

 private:
  ServerRunner(Gate* gate, std::unique_ptr<Acceptor> acceptor)
      : gate_(gate), acceptor_(std::move(acceptor)) {}

  Gate* const gate_;
  std::unique_ptr<Acceptor> acceptor_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_RPC_SERVER_RUNNER_H_
