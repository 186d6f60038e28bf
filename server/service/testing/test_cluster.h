// A whole server in this process, over mutual TLS, with agents in memory.
// Testonly.
#ifndef INNKEEPER_SERVER_SERVICE_TESTING_TEST_CLUSTER_H_
#define INNKEEPER_SERVER_SERVICE_TESTING_TEST_CLUSTER_H_

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/testing/fake_clock.h"
#include "google/longrunning/operations.grpc.pb.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "innkeeper/v1/guests.pb.h"
#include "innkeeper/v1/hosts.pb.h"
#include "rpc/channel.h"
#include "rpc/status_map.h"
#include "rpc/testing/test_server.h"
#include "server/hosts/testing/fake_agent_client.h"
#include "server/inventory/inventory.h"
#include "server/store/memory_store.h"

namespace innkeeper {

class Executor;
class GuestClaims;
class HostDirectory;
class OperationManager;

// Everything that the server's main wires, on a store in memory, with the hosts
// h1 and h2 enrolled. Roles: user/root is admin, user/op operator, user/watcher
// viewer of all, user/admin1 admin of hosts/h1, every user owner of its own.
// Whatever fails to start aborts. Not thread-safe; calls may come from any
// thread.
class TestCluster {
 public:
  static constexpr absl::Duration kPatience = absl::Seconds(20);

  struct Options {
    // An agent that says nothing for so long is unreachable.
    absl::Duration silence = absl::Seconds(30);
    // What h1 and h2 have to give.
    int64_t memory_bytes = int64_t{10} << 30;
    // Whether to wait until both hosts are up.
    bool await_up = true;
  };

  TestCluster() : TestCluster(Options()) {}
  explicit TestCluster(Options options);
  ~TestCluster();

  // The server ends, and another one begins on the same store.
  void Restart();
  // The server ends. Its store and the agents stay; only Restart may follow.
  void Stop();

  FakeAgent& agent(const std::string& host) { return *agents_.at(host); }
  FakeAgent& h1() { return agent("h1"); }
  FakeAgent& h2() { return agent("h2"); }
  // Where a host that enrols is found; before it does.
  FakeAgent& AddAgent(const std::string& host);

  MemoryStore& store() { return store_; }
  FakeClock& clock() { return clock_; }
  TestServer& server();
  Inventory& inventory();
  OperationManager& operations();
  GuestClaims& claims();
  HostDirectory& directory();
  EventLoop& loop();
  Executor& executor();
  // The authority for hosts, and who is refused.
  const std::string& pki_directory() const { return pki_directory_; }
  const std::string& deny_list_file() const { return deny_list_file_; }

  // With a certificate of `principal`; one for each.
  std::shared_ptr<grpc::Channel> Channel(const std::string& principal);

  // A unary call as `principal`, by its stub's method.
  template <typename Stub, typename Request, typename Response>
  absl::StatusOr<Response> Call(
      const std::string& principal,
      grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                   Response*),
      const Request& request) {
    Stub stub(Channel(principal));
    grpc::ClientContext context;
    SetTimeout(&context, kPatience);
    Response response;
    const absl::Status status =
        FromGrpcStatus((stub.*method)(&context, request, &response));
    if (!status.ok()) return status;
    return response;
  }

  // WaitOperation as the administrator, until the operation is done.
  absl::StatusOr<google::longrunning::Operation> Wait(const std::string& name);
  // Launches `id` as its owner, on `host` ("hosts/h1") or anywhere, and waits
  // until it is listed.
  v1::Guest MustLaunch(const std::string& id, const std::string& owner,
                       const std::string& host = "");
  // Whether the guest is listed under `name` within a while, and as `state`.
  bool AwaitGuest(const std::string& name,
                  v1::Guest::State state = v1::Guest::RUNNING);
  bool AwaitHost(const std::string& name, v1::Host::State state);

  // Whether `condition` holds within a while, the agents being alive.
  template <typename Condition>
  bool Await(Condition condition) {
    const absl::Time deadline = absl::Now() + kPatience;
    while (!condition()) {
      if (absl::Now() > deadline) return false;
      for (auto& [host, agent] : agents_) agent->Beat();
      absl::SleepFor(absl::Milliseconds(2));
    }
    return true;
  }

 private:
  struct Parts;

  void Start();

  const Options options_;
  const std::string dir_;
  const std::string pki_directory_;
  const std::string deny_list_file_;
  MemoryStore store_;
  FakeClock clock_{absl::Now()};
  std::map<std::string, std::unique_ptr<FakeAgent>> agents_;
  std::unique_ptr<Parts> parts_;
  std::map<std::string, std::shared_ptr<grpc::Channel>> channels_;
};

// A host with room, which QEMU of Debian 12 could run on.
v1::Host MakeTestHost(const std::string& id, int64_t memory_bytes);

// A guest of `owner` that an agent reports; the uid is of 32 digits `digit`.
v1::Guest MakeTestGuest(const std::string& id, char digit,
                        const std::string& owner);

// A launch of a small guest.
v1::LaunchGuestRequest MakeTestLaunch(const std::string& id);

}  // namespace innkeeper

#endif  // INNKEEPER_SERVER_SERVICE_TESTING_TEST_CLUSTER_H_
