#include "agent/agent.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "agent/accel/process_probe_runner.h"
#include "agent/driver/qemu/launch_planner.h"
#include "agent/driver/qemu/qemu_driver.h"
#include "agent/enrol/enroller.h"
#include "agent/host/host_facts.h"
#include "agent/host/host_probe.h"
#include "agent/host/volume_scanner.h"
#include "agent/service/agent_view.h"
#include "agent/service/console_service.h"
#include "agent/service/event_service.h"
#include "agent/service/guest_service.h"
#include "agent/service/host_service.h"
#include "agent/service/inventory_service.h"
#include "agent/service/operation_service.h"
#include "agent/service/policy_service.h"
#include "agent/service/proto_operation_encoder.h"
#include "agent/spawner/launcher_client.h"
#include "agent/store/agent_store.h"
#include "agent/supervisor/guest_book.h"
#include "agent/supervisor/guest_supervisor.h"
#include "agent/supervisor/operation_tracker.h"
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
#include "base/log.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"
#include "base/version.h"
#include "catalog/guest_list.h"
#include "rpc/access_table.h"
#include "rpc/connection_table.h"
#include "rpc/gate.h"
#include "rpc/health_service.h"
#include "rpc/page_token.h"
#include "rpc/reflection_service.h"
#include "rpc/server_runner.h"

namespace innkeeper {
namespace {

constexpr int kWorkers = 4;
constexpr size_t kMaxQueuedWork = 4096;
constexpr absl::Duration kRescan = absl::Seconds(10);
constexpr absl::Duration kGarbageInterval = absl::Minutes(10);
constexpr absl::Duration kDrain = absl::Seconds(3);
constexpr absl::Duration kLauncherPatience = absl::Seconds(10);
// Left to the machine where the configuration says nothing.
constexpr int64_t kReservedMemoryBytes = int64_t{1} << 30;
constexpr int64_t kVcpusPerCpu = 4;

const std::vector<std::string>& Services() {
  static const auto* const services = new std::vector<std::string>{
      "google.longrunning.Operations",
      "grpc.health.v1.Health",
      "grpc.reflection.v1.ServerReflection",
      "grpc.reflection.v1alpha.ServerReflection",
      "innkeeper.agent.v1.Inventory",
      "innkeeper.v1.Consoles",
      "innkeeper.v1.Events",
      "innkeeper.v1.Guests",
      "innkeeper.v1.Hosts",
      "innkeeper.v1.Policy",
  };
  return *services;
}

}  // namespace

struct Agent::Parts {
  AgentConfig config;
  HostFacts facts;
  HostProbe probe;
  UniqueFd launcher_lost;

  // Later members use earlier ones.
  std::unique_ptr<EventLoop> loop;
  std::unique_ptr<Executor> executor;
  std::unique_ptr<LauncherClient> launcher;
  std::unique_ptr<AgentStore> store;
  std::unique_ptr<OperationTracker> tracker;
  std::unique_ptr<ProtoOperationEncoder> encoder;
  std::unique_ptr<AgentView> view;
  std::unique_ptr<LaunchPlanner> planner;
  std::unique_ptr<QemuDriver> driver;
  std::unique_ptr<GuestBook> book;
  std::unique_ptr<GuestSupervisor> supervisor;

  std::unique_ptr<AuditLog> audit;
  std::shared_ptr<DenyList> deny_list;
  std::unique_ptr<Authorizer> authorizer;
  std::unique_ptr<AccessTable> access;
  ConnectionTable connections;
  std::unique_ptr<Gate> gate;
  std::unique_ptr<PageTokenSealer> sealer;
  std::unique_ptr<GuestList> list;
  std::unique_ptr<GuestService> guests;
  std::unique_ptr<ConsoleService> consoles;
  std::unique_ptr<HostService> hosts;
  std::unique_ptr<OperationService> operations;
  std::unique_ptr<EventService> events;
  std::unique_ptr<PolicyService> policy;
  std::unique_ptr<InventoryService> inventory;
  std::unique_ptr<HealthService> health;
  std::unique_ptr<ReflectionService> reflection;
  std::unique_ptr<ReflectionAlphaService> reflection_alpha;
  std::unique_ptr<ServerRunner> runner;

  std::string PathOf(const char* name) const {
    return absl::StrCat(config.state_directory, "/", name);
  }
  TlsFiles Files() const {
    return {config.trust_domain, config.ca_file, config.certificate_file,
            config.key_file};
  }

  absl::Status Begin();
  absl::Status CheckIdentity();
  absl::Status ConnectLauncher(std::string* run_dir);
  absl::Status MakeDomain(const std::string& run_dir);
  absl::Status Recover();
  absl::Status MakeGate();
  absl::Status Serve();
  void ReportHost();
  void RescanLater();
  void CollectGarbageLater();
};

// Our certificate must be that of this host: with another one every caller
// would take us for somebody else.
absl::Status Agent::Parts::CheckIdentity() {
  if (config.listen_addresses.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(EnrolIfNeeded(config));
  ASSIGN_OR_RETURN(const Certificate certificate,
                   CheckTlsFiles(Files(), TlsRole::kServer, absl::Now()));
  const std::string self = absl::StrCat("host/", config.name);
  if (certificate.principal.ToString() == self) return absl::OkStatus();
  return Error(absl::StatusCode::kFailedPrecondition, reason::kConfigInvalid,
               absl::StrCat(config.certificate_file, " belongs to ",
                            certificate.principal.ToString(), ", not to ", self,
                            "; issue one for this host"))
      .With("file", config.certificate_file);
}

absl::Status Agent::Parts::ConnectLauncher(std::string* run_dir) {
  ASSIGN_OR_RETURN(UniqueFd socket, LauncherClient::InheritedSocket());
  launcher = std::make_unique<LauncherClient>(loop.get(), std::move(socket));
  absl::Notification answered;
  absl::StatusOr<HelloReply> hello = absl::UnavailableError("");
  launcher->Hello([&](absl::StatusOr<HelloReply> reply) {
    hello = std::move(reply);
    answered.Notify();
  });
  if (!answered.WaitForNotificationWithTimeout(kLauncherPatience)) {
    // The completion may still come and must find its variables: there is no
    // way to go on.
    LogError("agent.launcher", {{"error", "does not answer"}});
    _exit(1);
  }
  RETURN_IF_ERROR(hello.status());
  *run_dir = hello->run_dir;
  launcher_lost = UniqueFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  launcher->SetDisconnectHandler([fd = launcher_lost.get()] {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(fd, &one, sizeof(one));
  });
  return absl::OkStatus();
}

absl::Status Agent::Parts::MakeDomain(const std::string& run_dir) {
  AgentStore::Options options;
  options.path = PathOf("agent.db");
  ASSIGN_OR_RETURN(store, AgentStore::Open(options));
  if (!store->damaged_copy().empty()) {
    LogError("store.damaged", {{"moved_to", store->damaged_copy()}});
  }
  const std::string host = absl::StrCat("hosts/", config.name);
  tracker = std::make_unique<OperationTracker>(store.get(), loop.get());
  encoder = std::make_unique<ProtoOperationEncoder>(host);
  view = std::make_unique<AgentView>(AgentView::Parts{
      loop.get(), executor.get(), store.get(), tracker.get(), host});
  RETURN_IF_ERROR(view->Begin());
  ReportHost();
  planner = std::make_unique<LaunchPlanner>(LaunchPlanner::Parts{
      loop.get(), executor.get(), launcher.get(), config.qemu_binary,
      probe.qemu.machine_types, probe.kvm, probe.kvm_reason});
  driver = std::make_unique<QemuDriver>(
      QemuDriver::Parts{loop.get(), launcher.get(), planner.get(),
                        absl::StrCat(run_dir, "/guests"), facts.boot_id});
  book = std::make_unique<GuestBook>(
      GuestBook::Parts{loop.get(), store.get(), tracker.get(), encoder.get(),
                       view.get(), Clock::Real()});
  supervisor = std::make_unique<GuestSupervisor>(GuestSupervisor::Parts{
      loop.get(), executor.get(), store.get(), driver.get(), book.get(),
      encoder.get(), Clock::Real(), facts.boot_id, config.capacity_memory_bytes,
      config.capacity_vcpu_count, static_cast<size_t>(config.max_guests)});
  return absl::OkStatus();
}

absl::Status Agent::Parts::Recover() {
  absl::Notification done;
  absl::Status result;
  supervisor->Recover([&](absl::Status status) {
    result = std::move(status);
    done.Notify();
  });
  done.WaitForNotification();
  return result;
}

absl::Status Agent::Parts::MakeGate() {
  ASSIGN_OR_RETURN(Policy policy_rules, Policy::Create(config.bindings));
  AuthorizerOptions options;
  options.local_name = config.name;
  options.host = absl::StrCat("hosts/", config.name);
  authorizer = std::make_unique<Authorizer>(std::move(policy_rules), options);
  ASSIGN_OR_RETURN(AccessTable table, AccessTable::Create(Services()));
  access = std::make_unique<AccessTable>(std::move(table));
  deny_list = std::make_shared<DenyList>(config.deny_list_file);
  AuditLogOptions audit_options;
  audit_options.path = PathOf("audit.jsonl");
  ASSIGN_OR_RETURN(audit, AuditLog::Open(std::move(audit_options)));

  GateCore::Options gate_options;
  gate_options.access = access.get();
  gate_options.authorizer = authorizer.get();
  gate_options.resolver = view.get();
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

absl::Status Agent::Parts::Serve() {
  ASSIGN_OR_RETURN(PageTokenSealer made,
                   PageTokenSealer::FromFile(PathOf("page_token.key")));
  sealer = std::make_unique<PageTokenSealer>(std::move(made));
  list = std::make_unique<GuestList>(&view->table(), sealer.get());
  guests = std::make_unique<GuestService>(gate.get(), supervisor.get(),
                                          view.get(), list.get());
  consoles =
      std::make_unique<ConsoleService>(gate.get(), loop.get(), driver.get());
  hosts = std::make_unique<HostService>(gate.get(), view.get());
  operations = std::make_unique<OperationService>(gate.get(), tracker.get(),
                                                  store.get());
  events = std::make_unique<EventService>(gate.get(), view.get());
  policy = std::make_unique<PolicyService>(gate.get(), authorizer.get(),
                                           absl::StrCat("host/", config.name),
                                           kVersion);
  inventory =
      std::make_unique<InventoryService>(gate.get(), view.get(), store.get());
  health = std::make_unique<HealthService>(gate.get(), Services());
  reflection = std::make_unique<ReflectionService>(gate.get(), Services());
  reflection_alpha =
      std::make_unique<ReflectionAlphaService>(gate.get(), Services());

  ServerRunner::Options options;
  options.tcp_addresses = config.listen_addresses;
  options.unix_paths = {config.unix_socket};
  if (!config.listen_addresses.empty()) {
    TlsOptions tls;
    tls.files = Files();
    tls.deny_list = deny_list;
    options.credentials = MakeServerCredentials(tls);
  }
  options.services = {guests.get(),          consoles.get(), hosts.get(),
                      operations.get(),      events.get(),   policy.get(),
                      inventory.get(),       health.get(),   reflection.get(),
                      reflection_alpha.get()};
  options.gate = gate.get();
  options.access = access.get();
  options.connections = &connections;
  ASSIGN_OR_RETURN(runner, ServerRunner::Start(std::move(options)));
  health->SetAllServing(true);
  for (const std::string& address : runner->addresses()) {
    LogInfo("agent.serving", {{"host", config.name}, {"address", address}});
  }
  return absl::OkStatus();
}

void Agent::Parts::ReportHost() {
  v1::Host host;
  host.set_name(absl::StrCat("hosts/", config.name));
  host.set_address(config.advertised_address);
  host.set_state(v1::Host::UP);
  for (const auto& [key, value] : config.labels) {
    (*host.mutable_labels())[key] = value;
  }
  host.set_machine_id(facts.machine_id);
  host.set_boot_id(facts.boot_id);
  host.mutable_capacity()->set_memory_bytes(config.capacity_memory_bytes);
  host.mutable_capacity()->set_vcpu_count(
      static_cast<int32_t>(config.capacity_vcpu_count));
  host.mutable_capacity()->set_guest_count(
      static_cast<int32_t>(config.max_guests));
  host.mutable_acceleration()->set_kvm(probe.kvm);
  host.mutable_acceleration()->set_reason(probe.kvm_reason);
  host.set_qemu_version(probe.qemu.version);
  for (const std::string& type : probe.qemu.machine_types) {
    host.add_machine_types(type);
  }
  for (const std::string& volume : ScanVolumes(config.pools)) {
    host.add_volumes(volume);
  }
  host.set_agent_version(kVersion);
  view->SetHost(std::move(host));
}

void Agent::Parts::RescanLater() {
  loop->After(kRescan, [this] {
    const absl::Status submitted = executor->Submit([this] {
      const std::vector<std::string> volumes = ScanVolumes(config.pools);
      const v1::Host known = view->host();
      if (!std::equal(volumes.begin(), volumes.end(), known.volumes().begin(),
                      known.volumes().end())) {
        ReportHost();
      }
    });
    if (!submitted.ok()) LogWarning("host.rescan", {{"error", "busy"}});
    RescanLater();
  });
}

void Agent::Parts::CollectGarbageLater() {
  loop->After(kGarbageInterval, [this] {
    const absl::Status submitted = executor->Submit([this] {
      const absl::Status collected = store->CollectGarbage();
      if (!collected.ok()) {
        LogWarning("store.garbage", {{"error", collected.message()}});
      }
    });
    if (!submitted.ok()) LogWarning("store.garbage", {{"error", "busy"}});
    CollectGarbageLater();
  });
}

Agent::Agent(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Agent::~Agent() = default;

absl::Status Agent::Parts::Begin() {
  ASSIGN_OR_RETURN(facts, ReadHostFacts());
  if (config.capacity_memory_bytes == 0) {
    config.capacity_memory_bytes =
        std::max<int64_t>(0, facts.memory_bytes - kReservedMemoryBytes);
  }
  if (config.capacity_vcpu_count == 0) {
    config.capacity_vcpu_count = facts.cpu_count * kVcpusPerCpu;
  }
  loop = std::make_unique<EventLoop>("agent");
  executor = std::make_unique<Executor>("worker", kWorkers, kMaxQueuedWork);
  std::string run_dir;
  RETURN_IF_ERROR(ConnectLauncher(&run_dir));
  RETURN_IF_ERROR(CheckIdentity());
  ProcessProbeRunner runner(loop.get());
  ASSIGN_OR_RETURN(probe, ProbeHost(config.qemu_binary, facts.boot_id,
                                    PathOf("host_probe.json"), &runner));
  RETURN_IF_ERROR(MakeDomain(run_dir));
  RETURN_IF_ERROR(Recover());
  RETURN_IF_ERROR(MakeGate());
  RETURN_IF_ERROR(Serve());
  loop->Post([this] {
    RescanLater();
    CollectGarbageLater();
  });
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Agent>> Agent::Start(AgentConfig config) {
  auto parts = std::make_unique<Parts>();
  parts->config = std::move(config);
  const absl::Status status = parts->Begin();
  if (!status.ok()) {
    // Said before anything is torn down: without its socket the launcher ends
    // this process at once.
    LogError("agent.failed", {{"error", status.message()}});
    return status;
  }
  return std::unique_ptr<Agent>(new Agent(std::move(parts)));
}

bool Agent::RunUntil(int stop_fd) {
  pollfd waiting[2] = {{stop_fd, POLLIN, 0},
                       {parts_->launcher_lost.get(), POLLIN, 0}};
  while (poll(waiting, 2, -1) < 0 && errno == EINTR) {
  }
  const bool asked = (waiting[0].revents & POLLIN) != 0;
  parts_->health->SetAllServing(false);
  parts_->runner->Stop(asked ? kDrain : absl::ZeroDuration());
  return asked;
}

}  // namespace innkeeper
