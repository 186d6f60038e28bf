// A real server behind the gate, in this process, with a throwaway PKI.
// Testonly.
#ifndef INNKEEPER_RPC_TESTING_TEST_SERVER_H_
#define INNKEEPER_RPC_TESTING_TEST_SERVER_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "auth/authorizer.h"
#include "auth/policy.h"
#include "auth/resource.h"
#include "auth/testing/test_pki.h"
#include "base/testing/fake_clock.h"
#include "grpcpp/channel.h"
#include "grpcpp/impl/codegen/service_type.h"
#include "rpc/acceptor.h"
#include "rpc/access_table.h"
#include "rpc/connection_table.h"
#include "rpc/gate.h"
#include "rpc/server_runner.h"

namespace innkeeper {

// guests/web belongs to user/alice, guests/db to user/bob; both are on
// hosts/h1.
class TwoGuests final : public ResourceResolver {
 public:
  absl::StatusOr<ResourceAttributes> Resolve(
      absl::string_view name) const override;
};

// Bindings, unless there is another authorizer: user/root is admin, user/op
// operator, user/watcher viewer of all, every user owner of its own. Anything
// that fails to start aborts.
class TestServer {
 public:
  struct Options {
    std::vector<std::string> services;  // "innkeeper.v1.Guests"
    // Makes the services; they live as long as the server.
    std::function<std::vector<std::unique_ptr<grpc::Service>>(Gate*)> make;
    Acceptor::Options acceptor;
    std::string deny_list_path;
    // In place of the ones below; they live as long as the server.
    const Authorizer* authorizer = nullptr;
    const ResourceResolver* resolver = nullptr;
    // Whose certificate it shows.
    std::string principal = "server/s1";
    bool listen_unix = false;
  };

  explicit TestServer(Options options);
  ~TestServer();

  // A channel that shows a certificate of `principal`, to a server.
  std::shared_ptr<grpc::Channel> Channel(absl::string_view principal);
  std::shared_ptr<grpc::Channel> LocalChannel() const;
  // What a client with a certificate of `principal` has.
  TlsOptions ClientTls(absl::string_view principal);

  Gate& gate() { return *gate_; }
  FakeClock& clock() { return clock_; }
  ServerRunner& runner() { return *runner_; }
  ConnectionTable& connections() { return connections_; }
  const TestPki& pki() const { return pki_; }
  // "127.0.0.1:PORT".
  std::string address() const { return runner_->addresses()[0]; }
  int port() const;
  const std::string& dir() const { return dir_; }

  std::vector<GateDecision> decisions() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  const std::string dir_;
  std::string socket_dir_;
  // Beside the real time, because certificates are checked against both.
  FakeClock clock_;
  TestPki pki_;
  TwoGuests resolver_;
  ConnectionTable connections_;
  std::unique_ptr<AccessTable> access_;
  std::unique_ptr<Authorizer> authorizer_;
  std::unique_ptr<Gate> gate_;
  std::vector<std::unique_ptr<grpc::Service>> services_;
  std::unique_ptr<ServerRunner> runner_;
  int clients_ = 0;
  mutable absl::Mutex mutex_;
  std::vector<GateDecision> decisions_ ABSL_GUARDED_BY(mutex_);
};

// A new directory below the test's own.
std::string MakeTestDir();

}  // namespace innkeeper

#endif  // INNKEEPER_RPC_TESTING_TEST_SERVER_H_
