#include "server/server.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "auth/principal.h"
#include "auth/tls_credentials.h"
#include "base/clock.h"
#include "base/event_loop.h"
#include "base/executor.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "base/version.h"
#include "catalog/guest_list.h"
#include "rpc/frontend.h"
#include "rpc/gate.h"
#include "rpc/page_token.h"
#include "rpc/policy_service.h"
#include "server/hosts/grpc_agent_client.h"
#include "server/hosts/host_directory.h"
#include "server/inventory/cluster_resolver.h"
#include "server/inventory/inventory.h"
#include "server/inventory/server_log.h"
#include "server/operations/operation_manager.h"
#include "server/operations/request_ledger.h"
#include "server/service/console_service.h"
#include "server/service/context_service.h"
#include "server/service/event_service.h"
#include "server/service/guest_claims.h"
#include "server/service/guest_forwarder.h"
#include "server/service/guest_launcher.h"
#include "server/service/guest_reconciler.h"
#include "server/service/guest_service.h"
#include "server/service/host_admin.h"
#include "server/service/host_service.h"
#include "server/service/operation_runner.h"
#include "server/service/operation_service.h"
#include "server/store/sqlite_store.h"

namespace innkeeper {
namespace {

constexpr int kWorkers = 8;
constexpr size_t kMaxQueuedWork = 4096;
constexpr absl::Duration kMaintenance = absl::Minutes(1);
// Far more than a host that answers needs to tell what it has.
constexpr absl::Duration kHostPatience = absl::Seconds(3);

std::vector<std::string> ServiceNames() {
  return {
      "google.longrunning.Operations", "innkeeper.v1.Consoles",
      "innkeeper.v1.Contexts",         "innkeeper.v1.Events",
      "innkeeper.v1.Guests",           "innkeeper.v1.Hosts",
      "innkeeper.v1.Policy",
  };
}

}  // namespace

struct Server::Parts {
  explicit Parts(ServerConfig given) : config(std::move(given)) {}

  const ServerConfig config;

  // Later members use earlier ones.
  TlsOptions tls;
  std::unique_ptr<EventLoop> loop;
  std::unique_ptr<Executor> executor;
  std::unique_ptr<SqliteStore> store;
  std::unique_ptr<HostDirectory> directory;
  std::unique_ptr<ServerLog> log;
  std::unique_ptr<Inventory> inventory;
  std::unique_ptr<OperationManager> operations;
  std::unique_ptr<RequestLedger> ledger;
  std::unique_ptr<ClusterResolver> resolver;
  std::unique_ptr<GuestClaims> claims;
  std::unique_ptr<OperationRunner> runner;
  std::unique_ptr<GuestReconciler> reconciler;
  std::unique_ptr<GuestLauncher> launcher;
  std::unique_ptr<GuestForwarder> forwarder;
  std::unique_ptr<HostAdmin> host_admin;

  std::unique_ptr<GuestList> list;
  std::unique_ptr<Frontend> front;

  std::string PathOf(const char* name) const {
    return absl::StrCat(config.state_directory, "/", name);
  }

  absl::Status Begin();
  absl::Status MakeDomain();
  absl::Status Serve();
  void MaintainLater();
  void Maintain();
};

absl::Status Server::Parts::MakeDomain() {
  const Clock* const clock = Clock::Real();
  ASSIGN_OR_RETURN(store, SqliteStore::Open(PathOf("server.db")));
  ASSIGN_OR_RETURN(directory, HostDirectory::Create(store.get(), clock));
  ASSIGN_OR_RETURN(log, ServerLog::Create(store.get(), clock));
  inventory = std::make_unique<Inventory>(
      Inventory::Parts{loop.get(), log.get(), clock,
                       [this](const EnrolledHost& host) {
                         return GrpcAgentClient::Create(host, tls);
                       },
                       AgentLink::Timing()});
  ASSIGN_OR_RETURN(operations,
                   OperationManager::Create(store.get(), loop.get()));
  ledger = std::make_unique<RequestLedger>(store.get(), clock);
  resolver =
      std::make_unique<ClusterResolver>(inventory.get(), operations.get());
  claims = std::make_unique<GuestClaims>(store.get(), inventory.get());
  RETURN_IF_ERROR(claims->Load());
  runner = std::make_unique<OperationRunner>(
      OperationRunner::Parts{loop.get(), executor.get(), operations.get(),
                             inventory.get(), claims.get(), clock});
  reconciler = std::make_unique<GuestReconciler>(
      GuestReconciler::Parts{loop.get(), executor.get(), operations.get(),
                             inventory.get(), claims.get()});
  inventory->SetGuestsGoneHandler(
      [this](const std::string& host) { reconciler->Look(host); });
  launcher = std::make_unique<GuestLauncher>(GuestLauncher::Parts{
      executor.get(), store.get(), operations.get(), ledger.get(),
      inventory.get(), claims.get(), runner.get()});
  forwarder = std::make_unique<GuestForwarder>(
      GuestForwarder::Parts{executor.get(), operations.get(), ledger.get(),
                            inventory.get(), runner.get()});
  host_admin = std::make_unique<HostAdmin>(
      HostAdmin::Parts{directory.get(), inventory.get(), log.get(),
                       claims.get(), clock, config.pki_directory,
                       config.advertised_addresses, config.deny_list_file});
  return absl::OkStatus();
}

absl::Status Server::Parts::Serve() {
  Frontend::Options options;
  options.config = config;
  options.tls = tls;
  options.noun = "server";
  options.kind = PrincipalKind::kServer;
  options.services = ServiceNames();
  options.resolver = resolver.get();
  options.loop = loop.get();
  ASSIGN_OR_RETURN(front, Frontend::Create(std::move(options)));
  Gate* const gate = front->gate();
  const PageTokenSealer* const sealer = front->sealer();
  list = std::make_unique<GuestList>(&inventory->table(), sealer);

  std::vector<std::unique_ptr<grpc::Service>> services;
  services.push_back(std::make_unique<GuestService>(
      gate, inventory.get(), list.get(), launcher.get(), forwarder.get()));
  services.push_back(std::make_unique<ConsoleService>(gate, forwarder.get()));
  services.push_back(
      std::make_unique<ContextService>(gate, inventory.get(), sealer));
  services.push_back(std::make_unique<HostService>(
      gate, executor.get(), inventory.get(), host_admin.get(), sealer));
  services.push_back(std::make_unique<OperationService>(
      gate, operations.get(), inventory.get(), sealer));
  services.push_back(std::make_unique<EventService>(gate, inventory.get()));
  services.push_back(std::make_unique<PolicyService>(gate, front->authorizer(),
                                                     front->self(), kVersion));
  return front->Serve(std::move(services));
}

void Server::Parts::Maintain() {
  for (const absl::Status& status :
       {operations->Maintain(), ledger->CollectGarbage()}) {
    if (!status.ok()) {
      LogWarning("server.maintenance", {{"error", status.message()}});
    }
  }
  log->CollectGarbage();
}

void Server::Parts::MaintainLater() {
  loop->After(kMaintenance, [this] {
    // The next one is not begun before this one is through.
    const absl::Status submitted = executor->Submit([this] {
      Maintain();
      loop->Post([this] { MaintainLater(); });
    });
    if (!submitted.ok()) MaintainLater();
  });
}

absl::Status Server::Parts::Begin() {
  loop = std::make_unique<EventLoop>("server");
  executor = std::make_unique<Executor>("worker", kWorkers, kMaxQueuedWork);
  ASSIGN_OR_RETURN(tls, Frontend::OpenTls(config, PrincipalKind::kServer));
  RETURN_IF_ERROR(MakeDomain());
  for (const EnrolledHost& host : directory->All()) inventory->AddHost(host);
  // A server that answers knows the guests of every host that does: a list is
  // whole, a launch sees all the room there is, and no guest seems absent.
  inventory->AwaitHosts(kHostPatience);
  runner->ResumeAll();
  RETURN_IF_ERROR(Serve());
  loop->Post([this] { MaintainLater(); });
  return absl::OkStatus();
}

Server::Server(ServerConfig config)
    : parts_(std::make_unique<Parts>(std::move(config))) {}
Server::~Server() = default;

absl::Status Server::Start() { return parts_->Begin(); }

void Server::Stop() { parts_->front->Stop(Frontend::kDrain); }

}  // namespace innkeeper
