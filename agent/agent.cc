#include "agent/agent.h"

#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "agent/accel/process_probe_runner.h"
#include "agent/context/context_book.h"
#include "agent/driver/qemu/launch_planner.h"
#include "agent/driver/qemu/qemu_driver.h"
#include "agent/enrol/enroller.h"
#include "agent/guest/volume_name.h"
#include "agent/host/host_facts.h"
#include "agent/host/host_probe.h"
#include "agent/host/volume_scanner.h"
#include "agent/launch/context_offer.h"
#include "agent/launch/launch_context.h"
#include "agent/launcher/volume_list.h"
#include "agent/lease/lease_watcher.h"
#include "agent/plugin/launch_review.h"
#include "agent/plugin/plugin_notifier.h"
#include "agent/plugin/plugin_set.h"
#include "agent/service/agent_view.h"
#include "agent/service/console_service.h"
#include "agent/service/context_access.h"
#include "agent/service/context_service.h"
#include "agent/service/event_service.h"
#include "agent/service/guest_service.h"
#include "agent/service/host_service.h"
#include "agent/service/inventory_service.h"
#include "agent/service/operation_service.h"
#include "agent/service/plugin_client.h"
#include "agent/service/proto_operation_encoder.h"
#include "agent/spawner/launcher_client.h"
#include "agent/store/agent_store.h"
#include "agent/supervisor/guest_book.h"
#include "agent/supervisor/guest_supervisor.h"
#include "agent/supervisor/operation_tracker.h"
#include "auth/principal.h"
#include "auth/tls_credentials.h"
#include "base/clock.h"
#include "base/event_loop.h"
#include "base/executor.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"
#include "base/version.h"
#include "catalog/guest_list.h"
#include "rpc/frontend.h"
#include "rpc/gate.h"
#include "rpc/policy_service.h"

namespace innkeeper {
namespace {

constexpr int kWorkers = 4;
constexpr size_t kMaxQueuedWork = 4096;
constexpr absl::Duration kRescan = absl::Seconds(10);
constexpr absl::Duration kGarbageInterval = absl::Minutes(10);
constexpr absl::Duration kLauncherPatience = absl::Seconds(10);
// Left to the machine where the configuration says nothing.
constexpr int64_t kReservedMemoryBytes = int64_t{1} << 30;
constexpr int64_t kVcpusPerCpu = 4;

std::vector<std::string> NamesOf(const std::vector<PoolVolume>& volumes) {
  std::vector<std::string> names;
  for (const PoolVolume& volume : volumes) {
    names.push_back(VolumeName{volume.pool, volume.name}.ToString());
  }
  return names;
}

std::vector<std::string> ServiceNames() {
  return {
      "google.longrunning.Operations",
      "innkeeper.agent.v1.Inventory",
      "innkeeper.v1.Consoles",
      "innkeeper.v1.Contexts",
      "innkeeper.v1.Events",
      "innkeeper.v1.Guests",
      "innkeeper.v1.Hosts",
      "innkeeper.v1.Policy",
  };
}

}  // namespace

struct Agent::Parts {
  explicit Parts(AgentConfig given) : config(std::move(given)) {}

  AgentConfig config;
  HostFacts facts;
  // What guests may use where this agent has the machine to itself.
  int64_t machine_memory_bytes = 0;
  int64_t machine_vcpu_count = 0;
  HostProbe probe;
  HelloReply hello;  // What the launcher was told.

  // Later members use earlier ones.
  std::unique_ptr<EventLoop> loop;
  std::unique_ptr<Executor> executor;
  std::unique_ptr<LauncherClient> launcher;
  std::unique_ptr<AgentStore> store;
  std::unique_ptr<OperationTracker> tracker;
  std::unique_ptr<ProtoOperationEncoder> encoder;
  std::unique_ptr<AgentView> view;
  std::unique_ptr<LeaseWatcher> leases;
  ContextOffer offer;  // Does not change once it is there.
  std::unique_ptr<ContextBook> contexts;
  std::unique_ptr<ContextAccess> context_access;
  std::unique_ptr<LaunchPlanner> planner;
  std::unique_ptr<QemuDriver> driver;
  std::unique_ptr<PluginClient> plugin_client;
  std::unique_ptr<PluginSet> plugins;
  std::unique_ptr<LaunchReview> review;
  std::unique_ptr<PluginNotifier> feed;
  std::unique_ptr<GuestBook> book;
  std::unique_ptr<GuestSupervisor> supervisor;

  std::unique_ptr<GuestList> list;
  std::unique_ptr<Frontend> front;

  std::string PathOf(const char* name) const {
    return absl::StrCat(config.state_directory, "/", name);
  }

  absl::Status Begin();
  absl::Status ConnectLauncher();
  // Those that the launcher told of.
  absl::StatusOr<std::vector<std::string>> AskBlockVolumes();
  absl::StatusOr<ContextOffer> AskOffer();
  absl::Status MakeDomain();
  void MakePlugins(const std::string& host);
  absl::Status Recover();
  absl::Status Serve(TlsOptions tls);
  absl::Status WatchLeases();
  void ReportHost(const std::vector<std::string>& volumes);
  void RescanLater();
  void Rescan(const std::vector<std::string>& block_volumes);
  void CollectGarbageLater();
};

absl::Status Agent::Parts::ConnectLauncher() {
  ASSIGN_OR_RETURN(UniqueFd socket, LauncherClient::InheritedSocket());
  launcher = std::make_unique<LauncherClient>(loop.get(), std::move(socket));
  absl::Notification answered;
  absl::StatusOr<HelloReply> answer = absl::UnavailableError("");
  launcher->Hello([&](absl::StatusOr<HelloReply> reply) {
    answer = std::move(reply);
    answered.Notify();
  });
  if (!answered.WaitForNotificationWithTimeout(kLauncherPatience)) {
    // The completion may still come and must find its variables: there is no
    // way to go on.
    LogError("agent.launcher", {{"error", "does not answer"}});
    _exit(1);
  }
  ASSIGN_OR_RETURN(hello, std::move(answer));
  // What became of the requests that it had, the next agent finds out: to
  // record now that they failed might be a lie.
  launcher->SetDisconnectHandler([] {
    LogInfo("agent.stopped", {{"why", "launcher lost"}});
    _exit(1);
  });
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> Agent::Parts::AskBlockVolumes() {
  absl::Notification answered;
  absl::StatusOr<std::vector<PoolVolume>> listed = absl::UnavailableError("");
  // Answered in any case, within the launcher's deadline.
  launcher->ListVolumes(kMaxListedVolumes,
                        [&](absl::StatusOr<std::vector<PoolVolume>> reply) {
                          listed = std::move(reply);
                          answered.Notify();
                        });
  answered.WaitForNotification();
  RETURN_IF_ERROR(listed.status());
  return NamesOf(*listed);
}

absl::StatusOr<ContextOffer> Agent::Parts::AskOffer() {
  absl::Notification answered;
  absl::StatusOr<ContextOffer> given = absl::UnavailableError("");
  // Answered in any case, within the launcher's deadline.
  launcher->Offer([&](absl::StatusOr<ContextOffer> reply) {
    given = std::move(reply);
    answered.Notify();
  });
  answered.WaitForNotification();
  return given;
}

void Agent::Parts::MakePlugins(const std::string& host) {
  plugin_client = std::make_unique<PluginClient>(loop.get(), host);
  PluginSet::Parts parts;
  parts.host_wide = config.plugins;
  parts.owner_directory = config.owner_plugin_directory;
  for (const auto& [uid, user] : config.local_users) {
    parts.local_users[uid] = user.ToString();
  }
  parts.make = [this](const PluginConfig& plugin) {
    return plugin_client->Make(plugin);
  };
  plugins = std::make_unique<PluginSet>(std::move(parts));
  review = std::make_unique<LaunchReview>(
      LaunchReview::Parts{loop.get(), plugins.get(), host});
  feed = std::make_unique<PluginNotifier>(view.get(), plugins.get());
}

absl::Status Agent::Parts::MakeDomain() {
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
  ASSIGN_OR_RETURN(offer, AskOffer());
  ASSIGN_OR_RETURN(const std::vector<std::string> block_volumes,
                   AskBlockVolumes());
  ReportHost(MergeVolumes(ScanVolumes(config.pools), block_volumes));
  contexts = std::make_unique<ContextBook>(
      ContextBook::Parts{loop.get(), store.get(), view.get(), Clock::Real()});
  RETURN_IF_ERROR(contexts->Load());
  context_access = std::make_unique<ContextAccess>(
      contexts.get(), host,
      [this](const LaunchContext& context, absl::string_view owner) {
        return FindUnavailableParts(context, owner, offer);
      });
  RETURN_IF_ERROR(WatchLeases());
  std::vector<HostNetwork> networks;
  for (const KnownNetwork& network : hello.networks) {
    networks.push_back({network.name, network.declared});
  }
  planner = std::make_unique<LaunchPlanner>(LaunchPlanner::Parts{
      loop.get(), executor.get(), launcher.get(), config.qemu_binary,
      probe.qemu.machine_types, probe.kvm, probe.kvm_reason,
      std::move(networks), hello.features});
  driver = std::make_unique<QemuDriver>(
      QemuDriver::Parts{loop.get(), launcher.get(), planner.get(),
                        absl::StrCat(hello.run_dir, "/guests"), facts.boot_id});
  MakePlugins(host);
  book = std::make_unique<GuestBook>(
      GuestBook::Parts{loop.get(), store.get(), tracker.get(), encoder.get(),
                       feed.get(), Clock::Real()});
  supervisor = std::make_unique<GuestSupervisor>(GuestSupervisor::Parts{
      loop.get(), executor.get(), store.get(), driver.get(), book.get(),
      encoder.get(), Clock::Real(), facts.boot_id, config.capacity_memory_bytes,
      config.capacity_vcpu_count, static_cast<size_t>(config.max_guests),
      review.get()});
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

absl::Status Agent::Parts::Serve(TlsOptions tls) {
  Frontend::Options options;
  options.config = config;
  options.tls = std::move(tls);
  options.noun = "agent";
  options.kind = PrincipalKind::kHost;
  options.services = ServiceNames();
  options.resolver = view.get();
  options.loop = loop.get();
  ASSIGN_OR_RETURN(front, Frontend::Create(std::move(options)));
  Gate* const gate = front->gate();
  list = std::make_unique<GuestList>(&view->table(), front->sealer());

  std::vector<std::unique_ptr<grpc::Service>> services;
  services.push_back(std::make_unique<GuestService>(
      gate, supervisor.get(), view.get(), list.get(), context_access.get()));
  services.push_back(std::make_unique<ContextService>(
      gate, contexts.get(), context_access.get(), front->sealer(),
      view->host_name()));
  services.push_back(
      std::make_unique<ConsoleService>(gate, loop.get(), driver.get()));
  services.push_back(std::make_unique<HostService>(gate, view.get()));
  services.push_back(std::make_unique<OperationService>(
      gate, supervisor.get(), tracker.get(), store.get(), view->host_name()));
  services.push_back(std::make_unique<EventService>(gate, view.get()));
  services.push_back(std::make_unique<PolicyService>(gate, front->authorizer(),
                                                     front->self(), kVersion));
  services.push_back(
      std::make_unique<InventoryService>(gate, view.get(), store.get()));
  return front->Serve(std::move(services));
}

absl::Status Agent::Parts::WatchLeases() {
  if (config.network_leases.empty()) return absl::OkStatus();
  for (const auto& [name, unused] : config.network_leases) {
    const bool known = std::any_of(
        hello.networks.begin(), hello.networks.end(),
        [&, name = name](const KnownNetwork& one) { return one.name == name; });
    if (!known) LogWarning("lease.network_unknown", {{"network", name}});
  }
  ASSIGN_OR_RETURN(
      leases, LeaseWatcher::Start({loop.get(), executor.get(), Clock::Real(),
                                   config.network_leases,
                                   [this](const LeasedAddresses& addresses) {
                                     view->SetLeases(addresses);
                                   }}));
  return absl::OkStatus();
}

void Agent::Parts::ReportHost(const std::vector<std::string>& volumes) {
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
  host.mutable_machine_capacity()->set_memory_bytes(
      std::max<int64_t>(machine_memory_bytes, config.capacity_memory_bytes));
  host.mutable_machine_capacity()->set_vcpu_count(static_cast<int32_t>(
      std::max<int64_t>(machine_vcpu_count, config.capacity_vcpu_count)));
  host.mutable_acceleration()->set_kvm(probe.kvm);
  host.mutable_acceleration()->set_reason(probe.kvm_reason);
  host.set_qemu_version(probe.qemu.version);
  for (const std::string& type : probe.qemu.machine_types) {
    host.add_machine_types(type);
  }
  for (const std::string& volume : volumes) host.add_volumes(volume);
  if (offer.apparmor) host.add_features("apparmor");
  if (offer.landlock_abi > 0) host.add_features("landlock");
  if (offer.selinux) host.add_features("selinux");
  for (const PoolInfo& pool : hello.pools) {
    v1::Host::Pool* const added = host.add_pools();
    added->set_name(absl::StrCat("pools/", pool.name));
    added->set_kind(pool.block ? v1::Host::Pool::BLOCK
                               : v1::Host::Pool::DIRECTORY);
  }
  for (const KnownNetwork& known : hello.networks) {
    v1::Host::Network* const network = host.add_networks();
    network->set_name(absl::StrCat("networks/", known.name));
    network->set_kind(v1::Host::Network::BRIDGE);
    network->set_isolated(known.isolated);
  }
  for (const std::string& feature : hello.features) host.add_features(feature);
  host.set_agent_version(kVersion);
  view->SetHost(std::move(host));
}

void Agent::Parts::RescanLater() {
  loop->After(kRescan, [this] {
    launcher->ListVolumes(
        kMaxListedVolumes,
        [this](absl::StatusOr<std::vector<PoolVolume>> listed) {
          if (listed.ok()) Rescan(NamesOf(*listed));
          RescanLater();
        });
  });
}

void Agent::Parts::Rescan(const std::vector<std::string>& block_volumes) {
  const absl::Status submitted = executor->Submit([this, block_volumes] {
    const std::vector<std::string> volumes =
        MergeVolumes(ScanVolumes(config.pools), block_volumes);
    const v1::Host known = view->host();
    if (!std::equal(volumes.begin(), volumes.end(), known.volumes().begin(),
                    known.volumes().end())) {
      ReportHost(volumes);
    }
  });
  if (!submitted.ok()) LogWarning("host.rescan", {{"error", "busy"}});
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

absl::Status Agent::Parts::Begin() {
  ASSIGN_OR_RETURN(facts, ReadHostFacts());
  machine_memory_bytes =
      std::max<int64_t>(0, facts.memory_bytes - kReservedMemoryBytes);
  machine_vcpu_count = facts.cpu_count * kVcpusPerCpu;
  if (config.capacity_memory_bytes == 0) {
    config.capacity_memory_bytes = machine_memory_bytes;
  }
  if (config.capacity_vcpu_count == 0) {
    config.capacity_vcpu_count = machine_vcpu_count;
  }
  loop = std::make_unique<EventLoop>("agent");
  executor = std::make_unique<Executor>("worker", kWorkers, kMaxQueuedWork);
  RETURN_IF_ERROR(ConnectLauncher());
  if (!config.listen_addresses.empty()) {
    RETURN_IF_ERROR(EnrolIfNeeded(config));
  }
  ASSIGN_OR_RETURN(TlsOptions tls,
                   Frontend::OpenTls(config, PrincipalKind::kHost));
  ProcessProbeRunner runner(loop.get());
  ASSIGN_OR_RETURN(probe, ProbeHost(config.qemu_binary, facts.boot_id,
                                    PathOf("host_probe.json"), &runner));
  RETURN_IF_ERROR(MakeDomain());
  RETURN_IF_ERROR(Recover());
  RETURN_IF_ERROR(Serve(std::move(tls)));
  loop->Post([this] {
    RescanLater();
    CollectGarbageLater();
  });
  return absl::OkStatus();
}

Agent::Agent(AgentConfig config)
    : parts_(std::make_unique<Parts>(std::move(config))) {}
Agent::~Agent() = default;

absl::Status Agent::Start() { return parts_->Begin(); }

void Agent::Stop() { parts_->front->Stop(Frontend::kDrain); }

}  // namespace innkeeper
