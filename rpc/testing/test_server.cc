#include "rpc/testing/test_server.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "auth/tls_credentials.h"
#include "auth/tls_init.h"
#include "auth/unix_peer.h"
#include "gtest/gtest.h"
#include "rpc/channel.h"

namespace innkeeper {
namespace {

template <typename T>
T Value(absl::StatusOr<T> result) {
  if (!result.ok()) {
    fprintf(stderr, "%s\n", result.status().ToString().c_str());
    abort();
  }
  return *std::move(result);
}

}  // namespace

std::string MakeTestDir() {
  std::string dir = absl::StrCat(testing::TempDir(), "/rpcXXXXXX");
  if (mkdtemp(dir.data()) == nullptr) abort();
  return dir;
}

absl::StatusOr<ResourceAttributes> TwoGuests::Resolve(
    absl::string_view name) const {
  ResourceAttributes attributes;
  attributes.name = std::string(name);
  attributes.host = "hosts/h1";
  if (name == "guests/web") {
    attributes.owner = "user/alice";
    return attributes;
  }
  if (name == "guests/db") {
    attributes.owner = "user/bob";
    return attributes;
  }
  return absl::NotFoundError("absent");
}

TestServer::TestServer(Options options)
    : dir_(MakeTestDir()), clock_(absl::Now()) {
  if (!InitTls().ok()) abort();
  access_ = std::make_unique<AccessTable>(
      Value(AccessTable::Create(options.services)));
  authorizer_ = std::make_unique<Authorizer>(
      Value(Policy::Create({{"admin", "user/root", "all"},
                            {"operator", "user/op", "all"},
                            {"viewer", "user/watcher", "all"},
                            {"owner", "user/*", "own"}})),
      AuthorizerOptions{"h1", ""});

  GateCore::Options gate;
  gate.access = access_.get();
  gate.authorizer =
      options.authorizer != nullptr ? options.authorizer : authorizer_.get();
  gate.resolver = options.resolver != nullptr ? options.resolver : &resolver_;
  gate.connections = &connections_;
  gate.clock = &clock_;
  gate.trust_domain = std::string(kTestTrustDomain);
  if (!options.deny_list_path.empty()) {
    gate.deny_list = std::make_shared<DenyList>(options.deny_list_path);
  }
  gate.identify_local = [](uint32_t uid, absl::string_view) {
    return IdentityOfUid(uid, "h1", LocalUsers());
  };
  gate.audit = [this](const GateDecision& decision) {
    absl::MutexLock lock(&mutex_);
    decisions_.push_back(decision);
  };
  gate_ = std::make_unique<Gate>(std::move(gate));
  services_ = options.make(gate_.get());

  ServerRunner::Options run;
  run.tcp_addresses = {"127.0.0.1:0"};
  if (options.listen_unix) {
    // Not below the test's own directory, whose path is too long for a socket.
    char dir[] = "/tmp/rpcXXXXXX";
    if (mkdtemp(dir) == nullptr) abort();
    socket_dir_ = dir;
    run.unix_paths = {absl::StrCat(socket_dir_, "/s")};
  }
  TlsOptions tls;
  tls.files =
      pki_.Write(absl::StrCat(dir_, "/server"), pki_.Issue(options.principal));
  run.credentials = MakeServerCredentials(tls);
  for (const auto& service : services_) run.services.push_back(service.get());
  run.gate = gate_.get();
  run.access = access_.get();
  run.connections = &connections_;
  run.acceptor = options.acceptor;
  runner_ = Value(ServerRunner::Start(run));
}

TestServer::~TestServer() {
  runner_->Stop(absl::Seconds(2));
  if (socket_dir_.empty()) return;
  unlink(absl::StrCat(socket_dir_, "/s").c_str());
  rmdir(socket_dir_.c_str());
}

std::shared_ptr<grpc::Channel> TestServer::Channel(
    absl::string_view principal) {
  TlsOptions tls = ClientTls(principal);
  tls.expected.kinds = {PrincipalKind::kServer};
  return Value(MakeChannel(address(), tls));
}

TlsOptions TestServer::ClientTls(absl::string_view principal) {
  TlsOptions tls;
  tls.files = pki_.Write(absl::StrCat(dir_, "/client", ++clients_),
                         pki_.Issue(principal));
  return tls;
}

std::shared_ptr<grpc::Channel> TestServer::LocalChannel() const {
  return Value(MakeLocalChannel(absl::StrCat("unix:", socket_dir_, "/s")));
}

int TestServer::port() const {
  const std::string at = address();
  int port = 0;
  if (!absl::SimpleAtoi(at.substr(at.rfind(':') + 1), &port)) abort();
  return port;
}

std::vector<GateDecision> TestServer::decisions() const {
  absl::MutexLock lock(&mutex_);
  return decisions_;
}

}  // namespace innkeeper
