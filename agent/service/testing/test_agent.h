// An agent in this process: its services behind a real gate and a real store,
// with a host that is only a table below. Testonly.
#ifndef INNKEEPER_AGENT_SERVICE_TESTING_TEST_AGENT_H_
#define INNKEEPER_AGENT_SERVICE_TESTING_TEST_AGENT_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/config/plugin_config.h"
#include "agent/context/context_book.h"
#include "agent/driver/testing/fake_driver.h"
#include "agent/plugin/launch_review.h"
#include "agent/plugin/plugin_notifier.h"
#include "agent/plugin/plugin_set.h"
#include "agent/plugin/testing/fake_launch_plugin.h"
#include "agent/service/agent_view.h"
#include "agent/service/context_access.h"
#include "agent/service/proto_operation_encoder.h"
#include "agent/store/agent_store.h"
#include "agent/supervisor/guest_book.h"
#include "agent/supervisor/guest_supervisor.h"
#include "agent/supervisor/operation_tracker.h"
#include "auth/authorizer.h"
#include "base/event_loop.h"
#include "base/executor.h"
#include "catalog/guest_list.h"
#include "google/longrunning/operations.pb.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "innkeeper/v1/guests.pb.h"
#include "rpc/channel.h"
#include "rpc/page_token.h"
#include "rpc/status_map.h"
#include "rpc/testing/test_server.h"

namespace innkeeper {

// The host is hosts/h1 with 8 GiB, 16 processors, the label zone=a. Bindings:
// user/root is admin, user/op operator, user/watcher viewer of all, user/site
// viewer of hosts/h1, user/admin1 and user/admin2 are admins of hosts/h1 and
// hosts/h2, every user owner of its own. It gives every part of a context but
// SELinux. Anything that fails to start aborts.
class TestAgent {
 public:
  // How long anything may take before a test gives up.
  static constexpr absl::Duration kPatience = absl::Seconds(20);

  // Its plugins are fakes, which allow everything and may be told otherwise.
  explicit TestAgent(std::vector<PluginConfig> plugins = {});
  ~TestAgent();
  TestAgent(const TestAgent&) = delete;
  TestAgent& operator=(const TestAgent&) = delete;

  // One unary call as `caller` ("user/op"), who has one channel:
  //   agent.Call("user/op", &v1::Guests::Stub::GetGuest, request)
  template <typename Stub, typename Request, typename Response>
  absl::StatusOr<Response> Call(
      const std::string& caller,
      grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                   Response*),
      const Request& request, grpc::ClientContext* context = nullptr) {
    grpc::ClientContext own;
    if (context == nullptr) context = &own;
    SetTimeout(context, kPatience);
    Response response;
    Stub stub(Channel(caller));
    const absl::Status status =
        FromGrpcStatus((stub.*method)(context, request, &response));
    if (!status.ok()) return status;
    return response;
  }

  std::shared_ptr<grpc::Channel> Channel(const std::string& caller);

  // A launch that is good.
  static v1::LaunchGuestRequest MakeLaunch(const std::string& id,
                                           const std::string& owner);
  // Launches it as user/op and waits until it runs.
  v1::Guest Run(const std::string& id, const std::string& owner);
  // The operation once it is done, or `accepted`, if that is an error.
  absl::StatusOr<google::longrunning::Operation> End(
      const absl::StatusOr<google::longrunning::Operation>& accepted);
  // The error that an operation ended with.
  absl::Status ErrorOf(
      const absl::StatusOr<google::longrunning::Operation>& accepted);

  // Runs `task` on the loop of all below.
  void OnLoop(std::function<void()> task) {
    loop_->PostAndWait(std::move(task));
  }
  // On the loop only.
  FakeDriver& driver() { return *driver_; }
  FakeLaunchPlugin& plugin(size_t index) { return *fakes_[index]; }
  GuestSupervisor& supervisor() { return *supervisor_; }

  EventLoop& loop() { return *loop_; }
  AgentStore& store() { return *store_; }
  AgentView& view() { return *view_; }
  OperationTracker& tracker() { return *tracker_; }
  TestServer& server() { return *server_; }

 private:
  void StartServer();

  // Later members use earlier ones.
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<Executor> executor_;
  std::unique_ptr<FakeDriver> driver_;
  std::unique_ptr<AgentStore> store_;
  std::unique_ptr<OperationTracker> tracker_;
  std::unique_ptr<ProtoOperationEncoder> encoder_;
  std::unique_ptr<AgentView> view_;
  std::vector<std::shared_ptr<FakeLaunchPlugin>> fakes_;
  std::unique_ptr<PluginSet> plugins_;
  std::unique_ptr<LaunchReview> review_;
  std::unique_ptr<PluginNotifier> feed_;
  std::unique_ptr<ContextBook> contexts_;
  std::unique_ptr<ContextAccess> access_;
  std::unique_ptr<GuestBook> book_;
  std::unique_ptr<GuestSupervisor> supervisor_;
  std::unique_ptr<PageTokenSealer> sealer_;
  std::unique_ptr<GuestList> list_;
  std::unique_ptr<Authorizer> authorizer_;
  std::unique_ptr<TestServer> server_;
  std::map<std::string, std::shared_ptr<grpc::Channel>> channels_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_SERVICE_TESTING_TEST_AGENT_H_
