#include "agent/service/testing/test_agent.h"

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "agent/service/console_service.h"
#include "agent/service/context_service.h"
#include "agent/service/event_service.h"
#include "agent/service/guest_service.h"
#include "agent/service/host_service.h"
#include "agent/service/inventory_service.h"
#include "agent/service/operation_service.h"
#include "base/clock.h"
#include "google/longrunning/operations.grpc.pb.h"
#include "innkeeper/v1/guests.grpc.pb.h"

namespace innkeeper {
namespace {

using google::longrunning::Operation;
using google::longrunning::Operations;

constexpr char kHost[] = "hosts/h1";
constexpr int64_t kMemoryBytes = int64_t{8} << 30;
constexpr int kVcpus = 16;

template <typename T>
T Value(absl::StatusOr<T> result) {
  if (!result.ok()) {
    fprintf(stderr, "%s\n", result.status().ToString().c_str());
    abort();
  }
  return *std::move(result);
}

v1::Host MakeHost() {
  v1::Host host;
  host.set_name(kHost);
  host.set_state(v1::Host::UP);
  (*host.mutable_labels())["zone"] = "a";
  host.mutable_capacity()->set_memory_bytes(kMemoryBytes);
  host.mutable_capacity()->set_vcpu_count(kVcpus);
  return host;
}

std::vector<ContextFault> LacksSelinux(const LaunchContext& context,
                                       absl::string_view /*owner*/) {
  if (context.selinux.value.empty()) return {};
  return {{"selinux", "is not enabled on this host"}};
}

}  // namespace

TestAgent::TestAgent(std::vector<PluginConfig> plugins)
    : loop_(std::make_unique<EventLoop>("agent")),
      executor_(std::make_unique<Executor>("worker", 2, 1000)),
      driver_(std::make_unique<FakeDriver>(loop_.get())) {
  AgentStore::Options options;
  options.path = absl::StrCat(MakeTestDir(), "/agent.db");
  store_ = Value(AgentStore::Open(options));
  tracker_ = std::make_unique<OperationTracker>(store_.get(), loop_.get());
  encoder_ = std::make_unique<ProtoOperationEncoder>(kHost);
  view_ = std::make_unique<AgentView>(AgentView::Parts{
      loop_.get(), executor_.get(), store_.get(), tracker_.get(), kHost});
  if (!view_->Begin().ok()) abort();
  view_->SetHost(MakeHost());
  PluginSet::Parts set;
  set.host_wide = std::move(plugins);
  set.make = [this](const PluginConfig& config) {
    fakes_.push_back(std::make_shared<FakeLaunchPlugin>(loop_.get(), config));
    return fakes_.back();
  };
  plugins_ = std::make_unique<PluginSet>(std::move(set));
  review_ = std::make_unique<LaunchReview>(
      LaunchReview::Parts{loop_.get(), plugins_.get(), kHost});
  feed_ = std::make_unique<PluginNotifier>(view_.get(), plugins_.get());
  contexts_ = std::make_unique<ContextBook>(ContextBook::Parts{
      loop_.get(), store_.get(), view_.get(), Clock::Real()});
  if (!contexts_->Load().ok()) abort();
  access_ =
      std::make_unique<ContextAccess>(contexts_.get(), kHost, LacksSelinux);
  book_ = std::make_unique<GuestBook>(
      GuestBook::Parts{loop_.get(), store_.get(), tracker_.get(),
                       encoder_.get(), feed_.get(), Clock::Real()});
  supervisor_ = std::make_unique<GuestSupervisor>(GuestSupervisor::Parts{
      loop_.get(), executor_.get(), store_.get(), driver_.get(), book_.get(),
      encoder_.get(), Clock::Real(), "boot", kMemoryBytes, kVcpus, 100,
      review_.get()});
  absl::Notification recovered;
  supervisor_->Recover([&](const absl::Status& status) {
    if (!status.ok()) abort();
    recovered.Notify();
  });
  recovered.WaitForNotification();
  sealer_ = std::make_unique<PageTokenSealer>(std::string(32, 's'));
  list_ = std::make_unique<GuestList>(&view_->table(), sealer_.get());
  authorizer_ = std::make_unique<Authorizer>(
      Value(Policy::Create({{"admin", "user/root", "all"},
                            {"operator", "user/op", "all"},
                            {"viewer", "user/watcher", "all"},
                            {"viewer", "user/site", "host:h1"},
                            {"admin", "user/admin1", "host:h1"},
                            {"admin", "user/admin2", "host:h2"},
                            {"owner", "user/*", "own"}})),
      AuthorizerOptions{"h1", kHost});
  StartServer();
}

void TestAgent::StartServer() {
  TestServer::Options options;
  options.services = {"google.longrunning.Operations",
                      "innkeeper.agent.v1.Inventory",
                      "innkeeper.v1.Consoles",
                      "innkeeper.v1.Contexts",
                      "innkeeper.v1.Events",
                      "innkeeper.v1.Guests",
                      "innkeeper.v1.Hosts"};
  options.authorizer = authorizer_.get();
  options.resolver = view_.get();
  options.make = [this](Gate* gate) {
    std::vector<std::unique_ptr<grpc::Service>> services;
    services.push_back(std::make_unique<GuestService>(
        gate, supervisor_.get(), view_.get(), list_.get(), access_.get()));
    services.push_back(std::make_unique<ContextService>(
        gate, contexts_.get(), access_.get(), sealer_.get(), kHost));
    services.push_back(
        std::make_unique<ConsoleService>(gate, loop_.get(), driver_.get()));
    services.push_back(std::make_unique<HostService>(gate, view_.get()));
    services.push_back(std::make_unique<OperationService>(
        gate, supervisor_.get(), tracker_.get(), store_.get(), kHost));
    services.push_back(std::make_unique<EventService>(gate, view_.get()));
    services.push_back(
        std::make_unique<InventoryService>(gate, view_.get(), store_.get()));
    return services;
  };
  server_ = std::make_unique<TestServer>(std::move(options));
}

TestAgent::~TestAgent() {
  OnLoop([this] { driver_->ReleaseLaunches(); });
  channels_.clear();
  server_.reset();
  // What is on its way to the disk and back ends first.
  OnLoop([] {});
  if (!store_->Commit(Change()).ok()) abort();
  OnLoop([this] { supervisor_.reset(); });
  executor_.reset();
  store_.reset();
  OnLoop([] {});
}

std::shared_ptr<grpc::Channel> TestAgent::Channel(const std::string& caller) {
  std::shared_ptr<grpc::Channel>& channel = channels_[caller];
  if (channel == nullptr) channel = server_->Channel(caller);
  return channel;
}

v1::LaunchGuestRequest TestAgent::MakeLaunch(const std::string& id,
                                             const std::string& owner) {
  v1::LaunchGuestRequest request;
  request.set_guest_id(id);
  request.mutable_guest()->set_owner(owner);
  request.mutable_guest()->mutable_spec()->set_vcpu_count(1);
  request.mutable_guest()->mutable_spec()->set_memory_bytes(int64_t{64} << 20);
  return request;
}

v1::Guest TestAgent::Run(const std::string& id, const std::string& owner) {
  const Operation done = Value(End(
      Call("user/op", &v1::Guests::Stub::LaunchGuest, MakeLaunch(id, owner))));
  v1::Guest guest;
  if (!done.response().UnpackTo(&guest)) {
    fprintf(stderr, "%s\n", done.DebugString().c_str());
    abort();
  }
  return guest;
}

absl::StatusOr<Operation> TestAgent::End(
    const absl::StatusOr<Operation>& accepted) {
  if (!accepted.ok() || accepted->done()) return accepted;
  google::longrunning::WaitOperationRequest request;
  request.set_name(accepted->name());
  absl::StatusOr<Operation> ended =
      Call("user/op", &Operations::Stub::WaitOperation, request);
  if (ended.ok() && !ended->done()) {
    return absl::DeadlineExceededError(
        absl::StrCat(accepted->name(), " does not end"));
  }
  return ended;
}

absl::Status TestAgent::ErrorOf(const absl::StatusOr<Operation>& accepted) {
  const absl::StatusOr<Operation> ended = End(accepted);
  if (!ended.ok()) return ended.status();
  return FromRpcStatus(ended->error());
}

}  // namespace innkeeper
