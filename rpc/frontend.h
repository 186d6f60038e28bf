// What stands in front of the services of a process, agent or server: its
// identity, the rules of who may call, the gate, and the server that listens.
#ifndef INNKEEPER_RPC_FRONTEND_H_
#define INNKEEPER_RPC_FRONTEND_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "auth/audit_log.h"
#include "auth/authorizer.h"
#include "auth/principal.h"
#include "auth/resource.h"
#include "auth/tls_credentials.h"
#include "base/event_loop.h"
#include "grpcpp/impl/codegen/service_type.h"
#include "rpc/access_table.h"
#include "rpc/connection_table.h"
#include "rpc/gate.h"
#include "rpc/health_service.h"
#include "rpc/page_token.h"
#include "rpc/server_runner.h"
#include "rpc/serving_config.h"

namespace innkeeper {

// Use from one thread; gate(), authorizer() and sealer() are for all.
class Frontend {
 public:
  // How long calls in flight may take to end when the process stops.
  static constexpr absl::Duration kDrain = absl::Seconds(3);

  struct Options {
    ServingConfig config;
    // Of OpenTls() for the same configuration.
    TlsOptions tls;
    // "agent" or "server": who speaks in the log.
    std::string noun;
    // kHost or kServer.
    PrincipalKind kind = PrincipalKind::kServer;
    // Full names of the services to come; health and reflection are its own.
    std::vector<std::string> services;
    // Both must outlive it.
    const ResourceResolver* resolver = nullptr;
    EventLoop* loop = nullptr;
  };

  // What `config` gives for mutual TLS, in both directions. If it listens, its
  // certificate must say that it is KIND/NAME: with another one every caller
  // would take us for somebody else (FAILED_PRECONDITION, CONFIG_INVALID). A
  // deny list of our own, DIR/deny_list in the state directory, is made if it
  // is missing; another one that cannot be read is an error.
  static absl::StatusOr<TlsOptions> OpenTls(const ServingConfig& config,
                                            PrincipalKind kind);

  // Makes all but the server. Opens audit.jsonl and page_token.key in the state
  // directory. Errors name what cannot be used.
  static absl::StatusOr<std::unique_ptr<Frontend>> Create(Options options);
  // As Stop() without grace.
  ~Frontend();
  Frontend(const Frontend&) = delete;
  Frontend& operator=(const Frontend&) = delete;

  // Serves `services` beside health and reflection, says where in the log
  // (NOUN.serving, a line for each address), and is healthy from now on. Errors
  // are those of ServerRunner::Start(). Once only.
  absl::Status Serve(std::vector<std::unique_ptr<grpc::Service>> services);

  // Says that it is not serving any more, then stops as
  // ServerRunner::Stop().
  void Stop(absl::Duration grace);

  // "host/h1" or "server/s1".
  const std::string& self() const { return self_; }
  Gate* gate() { return gate_.get(); }
  const Authorizer* authorizer() const { return authorizer_.get(); }
  const PageTokenSealer* sealer() const { return sealer_.get(); }
  // Where it serves; see ServerRunner::addresses().
  std::vector<std::string> addresses() const { return runner_->addresses(); }

 private:
  explicit Frontend(Options options);

  absl::Status Prepare();
  std::string PathOf(const char* name) const;
  void Audit(const GateDecision& decision);

  const Options options_;
  const std::string self_;
  std::vector<std::string> service_names_;
  // Later members use earlier ones.
  ConnectionTable connections_;
  std::unique_ptr<AuditLog> audit_;
  std::unique_ptr<AccessTable> access_;
  std::unique_ptr<Authorizer> authorizer_;
  std::unique_ptr<PageTokenSealer> sealer_;
  std::unique_ptr<Gate> gate_;
  std::vector<std::unique_ptr<grpc::Service>> services_;
  HealthService* health_ = nullptr;
  std::unique_ptr<ServerRunner> runner_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_RPC_FRONTEND_H_
