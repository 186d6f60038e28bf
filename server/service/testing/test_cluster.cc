#include "server/service/testing/test_cluster.h"

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/barrier.h"
#include "auth/authorizer.h"
#include "auth/pki.h"
#include "auth/policy.h"
#include "base/event_loop.h"
#include "base/executor.h"
#include "base/file.h"
#include "catalog/guest_list.h"
#include "innkeeper/v1/guests.grpc.pb.h"
#include "rpc/page_token.h"
#include "rpc/policy_service.h"
#include "server/hosts/host_directory.h"
#include "server/inventory/cluster_resolver.h"
#include "server/inventory/server_log.h"
#include "server/operations/operation_manager.h"
#include "server/operations/request_ledger.h"
#include "server/service/console_service.h"
#include "server/service/context_service.h"
#include "server/service/event_service.h"
#include "server/service/guest_claims.h"
#include "server/service/guest_forwarder.h"
#include "server/service/guest_launcher.h"
#include "server/service/guest_service.h"
#include "server/service/host_admin.h"
#include "server/service/host_service.h"
#include "server/service/operation_runner.h"
#include "server/service/operation_service.h"

namespace innkeeper {
namespace {

using google::longrunning::Operation;
using google::longrunning::Operations;

constexpr int kWorkers = 4;

void Check(const absl::Status& status) {
  if (status.ok()) return;
  fprintf(stderr, "%s\n", status.ToString().c_str());
  abort();
}

template <typename T>
T Value(absl::StatusOr<T> result) {
  Check(result.status());
  return *std::move(result);
}

Policy Roles() {
  return Value(Policy::Create({{"admin", "user/root", "all"},
                               {"operator", "user/op", "all"},
                               {"viewer", "user/watcher", "all"},
                               {"admin", "user/admin1", "host:h1"},
                               {"owner", "user/*", "own"}}));
}

}  // namespace

// Later members use earlier ones.
struct TestCluster::Parts {
  EventLoop loop{"cluster"};
  std::unique_ptr<HostDirectory> directory;
  std::unique_ptr<ServerLog> log;
  std::unique_ptr<Inventory> inventory;
  std::unique_ptr<OperationManager> operations;
  std::unique_ptr<RequestLedger> ledger;
  std::unique_ptr<ClusterResolver> resolver;
  std::unique_ptr<GuestClaims> claims;
  std::unique_ptr<OperationRunner> runner;
  std::unique_ptr<GuestLauncher> launcher;
  std::unique_ptr<GuestForwarder> forwarder;
  std::unique_ptr<HostAdmin> admin;
  std::unique_ptr<GuestList> list;
  PageTokenSealer sealer{"a secret of thirty-two bytes, no less"};
  Authorizer authorizer{Roles(), {"s1", ""}};
  // Its tasks use all of the above.
  Executor executor{"worker", kWorkers, 1024};
  std::unique_ptr<TestServer> server;

  ~Parts() {
    server = nullptr;
    AwaitIdle();
    runner = nullptr;
    inventory = nullptr;
  }

  void AwaitIdle();
  void MakeDomain(const TestCluster& cluster, MemoryStore* store);
  void Serve();
  std::vector<std::unique_ptr<grpc::Service>> MakeServices(Gate* gate);
};

// What was answered may still have work on a worker.
void TestCluster::Parts::AwaitIdle() {
  auto* const idle = new absl::Barrier(kWorkers + 1);
  for (int i = 0; i < kWorkers; ++i) {
    Check(executor.Submit([idle] {
      if (idle->Block()) delete idle;
    }));
  }
  if (idle->Block()) delete idle;
}

void TestCluster::Parts::MakeDomain(const TestCluster& cluster,
                                    MemoryStore* store) {
  const Clock* const clock = &cluster.clock_;
  directory = Value(HostDirectory::Create(store, clock));
  log = Value(ServerLog::Create(store, clock));
  AgentLink::Timing timing;
  timing.shortest_pause = absl::Milliseconds(5);
  timing.longest_pause = absl::Milliseconds(20);
  timing.silence = cluster.options_.silence;
  inventory = std::make_unique<Inventory>(
      Inventory::Parts{&loop, log.get(), clock,
                       [agents = &cluster.agents_](const EnrolledHost& host)
                           -> absl::StatusOr<std::unique_ptr<AgentClient>> {
                         const auto agent = agents->find(host.name);
                         if (agent != agents->end()) {
                           return agent->second->NewClient();
                         }
                         return absl::InvalidArgumentError("nobody is there");
                       },
                       timing});
  OperationManager::Options options;
  options.clock = clock;
  operations = Value(OperationManager::Create(store, &loop, options));
  ledger = std::make_unique<RequestLedger>(store, clock);
  resolver =
      std::make_unique<ClusterResolver>(inventory.get(), operations.get());
  claims = std::make_unique<GuestClaims>(store, inventory.get());
  Check(claims->Load());
  OperationRunner::Parts running{
      &loop, &executor, operations.get(), inventory.get(), claims.get(), clock};
  running.shortest_pause = absl::Milliseconds(5);
  running.longest_pause = absl::Milliseconds(20);
  runner = std::make_unique<OperationRunner>(running);
  launcher = std::make_unique<GuestLauncher>(
      GuestLauncher::Parts{&executor, store, operations.get(), ledger.get(),
                           inventory.get(), claims.get(), runner.get()});
  forwarder = std::make_unique<GuestForwarder>(
      GuestForwarder::Parts{&executor, operations.get(), ledger.get(),
                            inventory.get(), runner.get()});
  admin =
      std::make_unique<HostAdmin>(HostAdmin::Parts{directory.get(),
                                                   inventory.get(),
                                                   log.get(),
                                                   claims.get(),
                                                   clock,
                                                   cluster.pki_directory_,
                                                   {"127.0.0.1:1"},
                                                   cluster.deny_list_file_});
  list = std::make_unique<GuestList>(&inventory->table(), &sealer);
}

std::vector<std::unique_ptr<grpc::Service>> TestCluster::Parts::MakeServices(
    Gate* gate) {
  std::vector<std::unique_ptr<grpc::Service>> services;
  services.push_back(std::make_unique<GuestService>(
      gate, inventory.get(), list.get(), launcher.get(), forwarder.get()));
  services.push_back(std::make_unique<ConsoleService>(gate, forwarder.get()));
  services.push_back(
      std::make_unique<ContextService>(gate, inventory.get(), &sealer));
  services.push_back(std::make_unique<HostService>(
      gate, &executor, inventory.get(), admin.get(), &sealer));
  services.push_back(std::make_unique<OperationService>(
      gate, operations.get(), inventory.get(), &sealer));
  services.push_back(std::make_unique<EventService>(gate, inventory.get()));
  services.push_back(
      std::make_unique<PolicyService>(gate, &authorizer, "server/s1", "1.2.3"));
  return services;
}

void TestCluster::Parts::Serve() {
  TestServer::Options serving;
  serving.services = {"google.longrunning.Operations",
                      "innkeeper.v1.Consoles",
                      "innkeeper.v1.Contexts",
                      "innkeeper.v1.Events",
                      "innkeeper.v1.Guests",
                      "innkeeper.v1.Hosts",
                      "innkeeper.v1.Policy"};
  serving.authorizer = &authorizer;
  serving.resolver = resolver.get();
  serving.make = [this](Gate* gate) { return MakeServices(gate); };
  server = std::make_unique<TestServer>(std::move(serving));
}

TestCluster::TestCluster(Options options)
    : options_(options),
      dir_(MakeTestDir()),
      pki_directory_(dir_ + "/pki"),
      deny_list_file_(dir_ + "/deny_list") {
  Check(InitPki(pki_directory_, kTestTrustDomain));
  Check(WriteFileAtomically(deny_list_file_, "", 0600));
  const auto directory = Value(HostDirectory::Create(&store_, &clock_));
  for (const std::string host : {"h1", "h2"}) {
    AddAgent(host);
    Check(directory->Invite(host, host, clock_.Now() + absl::Hours(1)));
    EnrolledHost enrolled;
    enrolled.name = host;
    enrolled.address = host + ".test:7440";
    enrolled.fingerprint = std::string(64, host.back());
    Check(directory->Enrol(host, enrolled).status());
  }
  Start();
}

TestCluster::~TestCluster() { Stop(); }

void TestCluster::Start() {
  parts_ = std::make_unique<Parts>();
  parts_->MakeDomain(*this, &store_);
  for (const EnrolledHost& host : parts_->directory->All()) {
    parts_->inventory->AddHost(host);
  }
  parts_->runner->ResumeAll();
  parts_->Serve();
  if (!options_.await_up) return;
  const bool up = Await([&] {
    for (const v1::Host& host : parts_->inventory->Hosts()) {
      if (host.state() != v1::Host::UP) return false;
    }
    return true;
  });
  if (!up) Check(absl::DeadlineExceededError("the hosts do not come up"));
}

void TestCluster::Stop() {
  channels_.clear();
  parts_ = nullptr;
}

void TestCluster::Restart() {
  Stop();
  Start();
}

FakeAgent& TestCluster::AddAgent(const std::string& host) {
  auto& agent = agents_[host];
  agent = std::make_unique<FakeAgent>(host);
  agent->SetHost(MakeTestHost(host, options_.memory_bytes));
  return *agent;
}

TestServer& TestCluster::server() { return *parts_->server; }
Inventory& TestCluster::inventory() { return *parts_->inventory; }
OperationManager& TestCluster::operations() { return *parts_->operations; }
GuestClaims& TestCluster::claims() { return *parts_->claims; }
HostDirectory& TestCluster::directory() { return *parts_->directory; }
EventLoop& TestCluster::loop() { return parts_->loop; }
Executor& TestCluster::executor() { return parts_->executor; }

std::shared_ptr<grpc::Channel> TestCluster::Channel(
    const std::string& principal) {
  std::shared_ptr<grpc::Channel>& channel = channels_[principal];
  if (channel == nullptr) channel = parts_->server->Channel(principal);
  return channel;
}

absl::StatusOr<Operation> TestCluster::Wait(const std::string& name) {
  google::longrunning::WaitOperationRequest request;
  request.set_name(name);
  return Call("user/root", &Operations::Stub::WaitOperation, request);
}

v1::Guest TestCluster::MustLaunch(const std::string& id,
                                  const std::string& owner,
                                  const std::string& host) {
  v1::LaunchGuestRequest request = MakeTestLaunch(id);
  request.set_host(host);
  const Operation begun =
      Value(Call(owner, &v1::Guests::Stub::LaunchGuest, request));
  const Operation done = Value(Wait(begun.name()));
  v1::Guest guest;
  if (!done.response().UnpackTo(&guest) || !AwaitGuest(guest.name())) {
    Check(absl::InternalError(done.ShortDebugString()));
  }
  return inventory().table().Find(guest.name())->guest;
}

bool TestCluster::AwaitGuest(const std::string& name, v1::Guest::State state) {
  return Await([&] {
    const GuestRowPtr row = inventory().table().Find(name);
    return row != nullptr && row->guest.state() == state;
  });
}

bool TestCluster::AwaitHost(const std::string& name, v1::Host::State state) {
  return Await([&] {
    const auto host = inventory().FindHost(name);
    return host.has_value() && host->state() == state;
  });
}

v1::Host MakeTestHost(const std::string& id, int64_t memory_bytes) {
  v1::Host host;
  host.set_name(absl::StrCat("hosts/", id));
  host.set_machine_id(std::string(32, id.back()));
  host.mutable_capacity()->set_memory_bytes(memory_bytes);
  host.mutable_capacity()->set_vcpu_count(1000);
  host.add_machine_types("pc-q35-7.2");
  (*host.mutable_labels())["rack"] = id;
  return host;
}

v1::Guest MakeTestGuest(const std::string& id, char digit,
                        const std::string& owner) {
  v1::Guest guest;
  guest.set_name(absl::StrCat("guests/", id));
  const std::string all(12, digit);
  guest.set_uid(absl::StrFormat("%s-%s-4%s-8%s-%s", all.substr(0, 8),
                                all.substr(0, 4), all.substr(0, 3),
                                all.substr(0, 3), all));
  guest.set_owner(owner);
  guest.set_state(v1::Guest::RUNNING);
  guest.mutable_spec()->set_vcpu_count(1);
  guest.mutable_spec()->set_memory_bytes(int64_t{1} << 30);
  return guest;
}

v1::LaunchGuestRequest MakeTestLaunch(const std::string& id) {
  v1::LaunchGuestRequest request;
  request.set_guest_id(id);
  request.mutable_guest()->mutable_spec()->set_vcpu_count(1);
  request.mutable_guest()->mutable_spec()->set_memory_bytes(int64_t{1} << 30);
  return request;
}

}  // namespace innkeeper
