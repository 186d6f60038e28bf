#include "rpc/server_runner.h"

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "grpc/grpc.h"
#include "grpcpp/impl/server_builder_option.h"
#include "grpcpp/impl/server_builder_plugin.h"
#include "grpcpp/impl/server_initializer.h"
#include "grpcpp/server_builder.h"

namespace innkeeper {
namespace {

using ConnectionType =
    grpc::ServerBuilder::experimental_type::ExternalConnectionType;

constexpr int kMaxMessageBytes = 4 << 20;
// For clients that are slow to take what they were sent before the end.
constexpr absl::Duration kLastWords = absl::Milliseconds(500);

// Tells which services were really registered.
class ServiceLister final : public grpc::ServerBuilderPlugin {
 public:
  explicit ServiceLister(std::vector<std::string>* services)
      : services_(services) {}

  std::string name() override { return "innkeeper-service-lister"; }
  void InitServer(grpc::ServerInitializer* initializer) override {
    *services_ = *initializer->GetServiceList();
  }
  void Finish(grpc::ServerInitializer*) override {}
  void ChangeArguments(const std::string&, void*) override {}

 private:
  std::vector<std::string>* const services_;
};

class ListServices final : public grpc::ServerBuilderOption {
 public:
  // `services` is filled in by BuildAndStart().
  explicit ListServices(std::vector<std::string>* services)
      : services_(services) {}

  void UpdateArguments(grpc::ChannelArguments*) override {}
  void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>*
                         plugins) override {
    plugins->push_back(std::make_unique<ServiceLister>(services_));
  }

 private:
  std::vector<std::string>* const services_;
};

// The limits of one connection and one call. Clients' keepalive is set to fit
// (rpc/channel).
void SetLimits(grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  builder.SetMaxSendMessageSize(kMaxMessageBytes);
  const std::pair<const char*, int> arguments[] = {
      {GRPC_ARG_ALLOW_REUSEPORT, 0},
      {GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, 3000},
      {GRPC_ARG_MAX_CONCURRENT_STREAMS, 64},
      {GRPC_ARG_MAX_METADATA_SIZE, 8192},
      {GRPC_ARG_MAX_CONNECTION_AGE_MS, 600000},
      {GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, 30000},
      {GRPC_ARG_MAX_CONNECTION_IDLE_MS, 300000},
      {GRPC_ARG_KEEPALIVE_TIME_MS, 20000},
      {GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10000},
      {GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10000},
      {GRPC_ARG_HTTP2_MAX_PING_STRIKES, 2},
      {GRPC_ARG_ENABLE_CHANNELZ, 0},
  };
  for (const auto& [name, value] : arguments) {
    builder.AddChannelArgument(name, value);
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<ServerRunner>> ServerRunner::Start(
    const Options& options) {
  // Held for ever: when its last user goes, gRPC may wait 10 s for a poller of
  // its own.
  static const bool kept = (grpc_init(), true);
  static_cast<void>(kept);
  auto acceptor =
      std::make_unique<Acceptor>(options.acceptor, options.connections);
  for (const std::string& address : options.tcp_addresses) {
    RETURN_IF_ERROR(acceptor->ListenTcp(address));
  }
  for (const std::string& path : options.unix_paths) {
    RETURN_IF_ERROR(acceptor->ListenUnix(path));
  }

  grpc::ServerBuilder builder;
  SetLimits(builder);
  std::vector<std::string> registered;
  builder.SetOption(std::make_unique<ListServices>(&registered));
  for (grpc::Service* service : options.services) {
    builder.RegisterService(service);
  }
  std::unique_ptr<Acceptor::Sink> tcp;
  std::unique_ptr<Acceptor::Sink> local;
  if (!options.tcp_addresses.empty()) {
    tcp = builder.experimental().AddExternalConnectionAcceptor(
        ConnectionType::FROM_FD, options.credentials);
  }
  if (!options.unix_paths.empty()) {
    // Nothing is encrypted on a socket that does not leave the machine; the
    // kernel says who is there.
    local = builder.experimental().AddExternalConnectionAcceptor(
        ConnectionType::FROM_FD, grpc::InsecureServerCredentials());
  }

  auto runner = std::unique_ptr<ServerRunner>(
      new ServerRunner(options.gate, std::move(acceptor)));
  runner->server_ = builder.BuildAndStart();
  if (runner->server_ == nullptr) {
    return Error(absl::StatusCode::kInternal, reason::kInternal,
                 "gRPC did not start; its log says why")
        .Build();
  }
  // Nothing was accepted yet.
  RETURN_IF_ERROR(options.access->Covers(registered));
  runner->acceptor_->Start(std::move(tcp), std::move(local));
  return runner;
}

ServerRunner::~ServerRunner() { Stop(absl::ZeroDuration()); }

void ServerRunner::Stop(absl::Duration grace) {
  if (server_ == nullptr) return;
  acceptor_->StopAccepting();
  gate_->core().Drain();
  // Tells every client to go, and waits for them. A client that waits for an
  // answer goes when it has it. One that is at rest may never look at its
  // connection, so that we must end it.
  std::thread shutdown([this, grace] {
    server_->Shutdown(std::chrono::system_clock::now() +
                      absl::ToChronoNanoseconds(grace));
  });
  gate_->core().AwaitAnswers(grace);
  acceptor_->EndQuiet();
  shutdown.join();
  server_.reset();
  // What gRPC wrote last may still be on its way through the acceptor.
  acceptor_->Finish(kLastWords);
  // Every call was answered; now nobody who answered needs the gate any more.
  gate_->core().AwaitAnswers(absl::InfiniteDuration());
}

}  // namespace innkeeper
