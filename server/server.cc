#include "server/server.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "auth/audit_log.h"
#include "auth/authorizer.h"
#include "auth/deny_list.h"
#include "auth/policy.h"
#include "auth/tls_credentials.h"
#include "auth/unix_peer.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/event_loop.h"
#include "base/executor.h"
#include "base/file.h"
#include "base/log.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "base/version.h"
#include "catalog/guest_list.h"
#include "rpc/access_table.h"
#include "rpc/connection_table.h"
#include "rpc/gate.h"
#include "rpc/health_service.h"
#include "rpc/page_token.h"
#include "rpc/reflection_service.h"
#include "rpc/server_runner.h"
#include "server/hosts/grpc_agent_client.h"
#include "server/hosts/host_directory.h"
#include "server/inventory/cluster_resolver.h"
#include "server/inventory/inventory.h"
#include "server/inventory/server_log.h"
#include "server/operations/operation_manager.h"
#include "server/operations/request_ledger.h"
#include "server/service/console_service.h"
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
#include "server/service/policy_service.h"
#include "server/store/sqlite_store.h"

namespace innkeeper {
namespace {

constexpr int kWorkers = 8;
constexpr size_t kMaxQueuedWork = 4096;
constexpr absl::Duration kMaintenance = absl::Minutes(1);
constexpr absl::Duration kDrain = absl::Seconds(3);

const std::vector<std::string>& Services() {
  static const auto* const services = new std::vector<std::string>{
      "google.longrunning.Operations",
      "grpc.health.v1.Health",
      "grpc.reflection.v1.ServerReflection",
      "grpc.reflection.v1alpha.ServerReflection",
      "innkeeper.v1.Consoles",
      "innkeeper.v1.Events",
      "innkeeper.v1.Guests",
      "innkeeper.v1.Hosts",
      "innkeeper.v1.Policy",
  };
  return *services;
}

}  // namespace

struct Server::Parts {
  ServerConfig config;

  // Later members use earlier ones.
  std::unique_ptr<EventLoop> loop;
  std::unique_ptr<Executor> executor;
  std::unique_ptr<SqliteStore> store;
  std::unique_ptr<HostDirectory> directory;
  std::unique_ptr<ServerLog> log;
  std::shared_ptr<DenyList> deny_list;
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

  std::unique_ptr<AuditLog> audit;
  std::unique_ptr<Authorizer> authorizer;
  std::unique_ptr<AccessTable> access;
  ConnectionTable connections;
  std::unique_ptr<Gate> gate;
  std::unique_ptr<PageTokenSealer> sealer;
  std::unique_ptr<GuestList> list;
  std::unique_ptr<GuestService> guests;
  std::unique_ptr<ConsoleService> consoles;
  std::unique_ptr<HostService> hosts;
  std::unique_ptr<OperationService> operation_service;
  std::unique_ptr<EventService> events;
  std::unique_ptr<PolicyService> policy;
  std::unique_ptr<HealthService> health;
  std::unique_ptr<ReflectionService> reflection;
  std::unique_ptr<ReflectionAlphaService> reflection_alpha;
  std::unique_ptr<ServerRunner> server;

  std::string PathOf(const char* name) const {
    return absl::StrCat(config.state_directory, "/", name);
  }
  TlsOptions Tls() const {
    TlsOptions tls;
    tls.files = {config.trust_domain, config.ca_file, config.certificate_file,
                 config.key_file};
    tls.deny_list = deny_list;
    return tls;
  }

  absl::Status Begin();
  absl::Status CheckIdentity() const;
  absl::Status OpenDenyList();
  absl::Status MakeDomain();
  absl::Status MakeGate();
  absl::Status MakeServices();
  absl::Status Serve();
  void MaintainLater();
  void Maintain();
};

// Agents let nobody but a server read what they have.
absl::Status Server::Parts::CheckIdentity() const {
  ASSIGN_OR_RETURN(const Certificate certificate,
                   CheckTlsFiles(Tls().files, TlsRole::kServer, absl::Now()));
  const std::string self = absl::StrCat("server/", config.name);
  if (certificate.principal.ToString() == self) return absl::OkStatus();
  return Error(absl::StatusCode::kFailedPrecondition, reason::kConfigInvalid,
               absl::StrCat(config.certificate_file, " belongs to ",
                            certificate.principal.ToString(), ", not to ", self,
                            "; issue one for this server"))
      .With("file", config.certificate_file);
}

absl::Status Server::Parts::OpenDenyList() {
  // Only the one in our own directory is made: elsewhere it is somebody's, and
  // that it is missing says that something is wrong.
  if (config.deny_list_file == PathOf("deny_list") &&
      ::access(config.deny_list_file.c_str(), F_OK) != 0) {
    RETURN_IF_ERROR(WriteFileAtomically(config.deny_list_file, "", 0600));
  }
  deny_list = std::make_shared<DenyList>(config.deny_list_file);
  return deny_list->Ready();
}

absl::Status Server::Parts::MakeDomain() {
  const Clock* const clock = Clock::Real();
  ASSIGN_OR_RETURN(store, SqliteStore::Open(PathOf("server.db")));
  ASSIGN_OR_RETURN(directory, HostDirectory::Create(store.get(), clock));
  ASSIGN_OR_RETURN(log, ServerLog::Create(store.get(), clock));
  inventory = std::make_unique<Inventory>(
      Inventory::Parts{loop.get(), log.get(), clock,
                       [this](const EnrolledHost& host) {
                         return GrpcAgentClient::Create(host, Tls());
                       },
                       AgentLink::Timing()});
  ASSIGN_OR_RETURN(operations,
                   OperationManager::Create(store.get(), loop.get()));
  ledger = std::make_unique<RequestLedger>(store.get(), clock);
  resolver =
      std::make_unique<ClusterResolver>(inventory.get(), operations.get());
  claims = std::make_unique<GuestClaims>(store.get(), inventory.get());
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

absl::Status Server::Parts::MakeGate() {
  ASSIGN_OR_RETURN(Policy rules, Policy::Create(config.bindings));
  AuthorizerOptions options;
  options.local_name = config.name;
  authorizer = std::make_unique<Authorizer>(std::move(rules), options);
  ASSIGN_OR_RETURN(AccessTable table, AccessTable::Create(Services()));
  access = std::make_unique<AccessTable>(std::move(table));
  AuditLogOptions audit_options;
  audit_options.path = PathOf("audit.jsonl");
  ASSIGN_OR_RETURN(audit, AuditLog::Open(std::move(audit_options)));

  GateCore::Options gate_options;
  gate_options.access = access.get();
  gate_options.authorizer = authorizer.get();
  gate_options.resolver = resolver.get();
  gate_options.connections = &connections;
  gate_options.trust_domain = config.trust_domain;
  gate_options.deny_list = deny_list;
  gate_options.identify_local = [this](uint32_t uid, absl::string_view) {
    return IdentityOfUid(uid, config.name, config.local_users);
  };
  gate_options.timers = loop.get();
  gate_options.audit = [this](const GateDecision& decision) {
    AuditRecord record;
    record.caller = decision.caller;
    record.delegate = decision.delegate;
    record.address = decision.address;
    record.method = decision.method;
    record.resource = decision.resource;
    record.allowed = decision.outcome.ok();
    record.code = absl::StatusCodeToString(decision.outcome.code());
    record.reason = DetailsOf(decision.outcome).reason;
    const absl::Status appended = audit->Append(record);
    if (!appended.ok()) {
      LogError("audit.append", {{"error", appended.message()}});
    }
  };
  gate = std::make_unique<Gate>(std::move(gate_options));
  return absl::OkStatus();
}

absl::Status Server::Parts::MakeServices() {
  ASSIGN_OR_RETURN(PageTokenSealer made,
                   PageTokenSealer::FromFile(PathOf("page_token.key")));
  sealer = std::make_unique<PageTokenSealer>(std::move(made));
  list = std::make_unique<GuestList>(&inventory->table(), sealer.get());
  guests = std::make_unique<GuestService>(
      gate.get(), inventory.get(), list.get(), launcher.get(), forwarder.get());
  consoles = std::make_unique<ConsoleService>(gate.get(), forwarder.get());
  hosts =
      std::make_unique<HostService>(gate.get(), executor.get(), inventory.get(),
                                    host_admin.get(), sealer.get());
  operation_service = std::make_unique<OperationService>(
      gate.get(), operations.get(), sealer.get());
  events = std::make_unique<EventService>(gate.get(), inventory.get());
  policy = std::make_unique<PolicyService>(gate.get(), authorizer.get(),
                                           absl::StrCat("server/", config.name),
                                           kVersion);
  health = std::make_unique<HealthService>(gate.get(), Services());
  reflection = std::make_unique<ReflectionService>(gate.get(), Services());
  reflection_alpha =
      std::make_unique<ReflectionAlphaService>(gate.get(), Services());
  return absl::OkStatus();
}

absl::Status Server::Parts::Serve() {
  ServerRunner::Options options;
  options.tcp_addresses = config.listen_addresses;
  if (!config.unix_socket.empty()) options.unix_paths = {config.unix_socket};
  options.credentials = MakeServerCredentials(Tls());
  options.services = {guests.get(),          consoles.get(),
                      hosts.get(),           operation_service.get(),
                      events.get(),          policy.get(),
                      health.get(),          reflection.get(),
                      reflection_alpha.get()};
  options.gate = gate.get();
  options.access = access.get();
  options.connections = &connections;
  ASSIGN_OR_RETURN(server, ServerRunner::Start(std::move(options)));
  health->SetAllServing(true);
  for (const std::string& address : server->addresses()) {
    LogInfo("server.serving", {{"server", config.name}, {"address", address}});
  }
  return absl::OkStatus();
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
  RETURN_IF_ERROR(CheckIdentity());
  RETURN_IF_ERROR(OpenDenyList());
  RETURN_IF_ERROR(MakeDomain());
  RETURN_IF_ERROR(MakeGate());
  RETURN_IF_ERROR(MakeServices());
  for (const EnrolledHost& host : directory->All()) inventory->AddHost(host);
  runner->ResumeAll();
  RETURN_IF_ERROR(Serve());
  loop->Post([this] { MaintainLater(); });
  return absl::OkStatus();
}

Server::Server(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Server::~Server() = default;

absl::StatusOr<std::unique_ptr<Server>> Server::Start(ServerConfig config) {
  auto parts = std::make_unique<Parts>();
  parts->config = std::move(config);
  const absl::Status status = parts->Begin();
  if (!status.ok()) {
    LogError("server.failed", {{"error", status.message()}});
    // Threads of the parts may still use each other: only the end of the
    // process ends them all at once.
    _exit(1);
  }
  return std::unique_ptr<Server>(new Server(std::move(parts)));
}

void Server::RunUntil(int stop_fd) {
  pollfd waiting = {stop_fd, POLLIN, 0};
  while (poll(&waiting, 1, -1) < 0 && errno == EINTR) {
  }
  parts_->health->SetAllServing(false);
  parts_->server->Stop(kDrain);
}

}  // namespace innkeeper
