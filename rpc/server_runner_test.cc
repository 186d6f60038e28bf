#include "rpc/server_runner.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "auth/authorizer.h"
#include "auth/policy.h"
#include "auth/tls_init.h"
#include "base/file.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "base/unique_fd.h"
#include "gmock/gmock.h"
#include "google/protobuf/descriptor.pb.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "grpc/reflection/v1/reflection.grpc.pb.h"
#include "grpc/reflection/v1alpha/reflection.grpc.pb.h"
#include "grpcpp/client_context.h"
#include "gtest/gtest.h"
#include "rpc/acceptor.h"
#include "rpc/channel.h"
#include "rpc/health_service.h"
#include "rpc/reflection_service.h"
#include "rpc/status_map.h"
#include "rpc/testing/fake_services.h"
#include "rpc/testing/test_server.h"

namespace innkeeper {
namespace {

using ::testing::HasSubstr;

using Serving = grpc::health::v1::HealthCheckResponse;

TEST(ServerRunnerTest, ServiceWithoutRulesKeepsItFromStarting) {
  ASSERT_THAT(InitTls(), IsOk());
  const auto access = AccessTable::Create({"grpc.health.v1.Health"});
  ASSERT_THAT(access, IsOk());
  const Authorizer authorizer(*Policy::Create({}));
  ConnectionTable connections;
  GateCore::Options options;
  options.access = &*access;
  options.authorizer = &authorizer;
  options.connections = &connections;
  Gate gate(std::move(options));
  FakeGuests guests(&gate);
  ServerRunner::Options run;
  run.tcp_addresses = {"127.0.0.1:0"};
  run.credentials = grpc::InsecureServerCredentials();
  run.services = {&guests};
  run.gate = &gate;
  run.access = &*access;
  run.connections = &connections;
  EXPECT_THAT(ServerRunner::Start(run),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("innkeeper.v1.Guests")));
}

class SystemServicesTest : public testing::Test {
 protected:
  SystemServicesTest() {
    TestServer::Options options;
    options.listen_unix = true;
    options.services = {
        "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection", "innkeeper.v1.Guests"};
    options.make = [&](Gate* gate) {
      std::vector<std::unique_ptr<grpc::Service>> services;
      auto health = std::make_unique<HealthService>(
          gate, std::vector<std::string>{"innkeeper.v1.Guests"});
      health_ = health.get();
      auto guests = std::make_unique<FakeGuests>(gate);
      guests_ = guests.get();
      services.push_back(std::move(guests));
      services.push_back(std::move(health));
      const std::vector<std::string> shown = {"innkeeper.v1.Guests"};
      services.push_back(std::make_unique<ReflectionService>(gate, shown));
      services.push_back(std::make_unique<ReflectionAlphaService>(gate, shown));
      return services;
    };
    server_ = std::make_unique<TestServer>(std::move(options));
  }

  absl::Status Check(const std::string& service, Serving* response) {
    grpc::ClientContext context;
    SetTimeout(&context, absl::Seconds(10));
    grpc::health::v1::HealthCheckRequest request;
    request.set_service(service);
    return FromGrpcStatus(
        grpc::health::v1::Health::NewStub(server_->Channel("user/alice"))
            ->Check(&context, request, response));
  }

  // Returns when the test has answered it.
  static grpc::Status StopGuest(const std::shared_ptr<grpc::Channel>& channel) {
    grpc::ClientContext context;
    SetTimeout(&context, absl::Seconds(20));
    v1::StopGuestRequest request;
    request.set_name("guests/web");
    google::longrunning::Operation operation;
    return v1::Guests::NewStub(channel)->StopGuest(&context, request,
                                                   &operation);
  }

  HealthService* health_ = nullptr;
  FakeGuests* guests_ = nullptr;
  std::unique_ptr<TestServer> server_;
};

TEST_F(SystemServicesTest, HealthIsWhatWasSet) {
  Serving response;
  ASSERT_THAT(Check("innkeeper.v1.Guests", &response), IsOk());
  EXPECT_EQ(response.status(), Serving::NOT_SERVING);
  health_->SetAllServing(true);
  ASSERT_THAT(Check("", &response), IsOk());
  EXPECT_EQ(response.status(), Serving::SERVING);
  EXPECT_THAT(Check("no.such", &response), HasReason(reason::kServiceUnknown));
}

TEST_F(SystemServicesTest, WatcherOfHealthIsTold) {
  const auto stub =
      grpc::health::v1::Health::NewStub(server_->Channel("user/alice"));
  grpc::ClientContext context;
  SetTimeout(&context, absl::Seconds(20));
  const auto reader =
      stub->Watch(&context, grpc::health::v1::HealthCheckRequest());
  Serving response;
  ASSERT_TRUE(reader->Read(&response));
  EXPECT_EQ(response.status(), Serving::NOT_SERVING);
  health_->SetServing("", true);
  ASSERT_TRUE(reader->Read(&response));
  EXPECT_EQ(response.status(), Serving::SERVING);
}

template <typename Service, typename Request, typename Response>
absl::Status Reflect(const std::shared_ptr<grpc::Channel>& channel,
                     const Request& request, Response* response) {
  const auto stub = Service::NewStub(channel);
  grpc::ClientContext context;
  SetTimeout(&context, absl::Seconds(20));
  const auto stream = stub->ServerReflectionInfo(&context);
  stream->Write(request);
  stream->WritesDone();
  Response extra;
  if (stream->Read(response)) stream->Read(&extra);
  return FromGrpcStatus(stream->Finish());
}

TEST_F(SystemServicesTest, ReflectionIsForAdministrators) {
  grpc::reflection::v1::ServerReflectionRequest request;
  request.set_list_services("*");
  grpc::reflection::v1::ServerReflectionResponse response;
  EXPECT_THAT(Reflect<grpc::reflection::v1::ServerReflection>(
                  server_->Channel("user/alice"), request, &response),
              StatusIs(absl::StatusCode::kPermissionDenied));
}

TEST_F(SystemServicesTest, ReflectionListsServicesAndShowsFiles) {
  const auto channel = server_->Channel("user/root");
  grpc::reflection::v1::ServerReflectionRequest request;
  grpc::reflection::v1::ServerReflectionResponse response;
  request.set_list_services("*");
  ASSERT_THAT(Reflect<grpc::reflection::v1::ServerReflection>(channel, request,
                                                              &response),
              IsOk());
  ASSERT_EQ(response.list_services_response().service_size(), 1);

  grpc::reflection::v1alpha::ServerReflectionRequest alpha;
  grpc::reflection::v1alpha::ServerReflectionResponse file;
  alpha.set_file_containing_symbol("innkeeper.v1.Guests");
  ASSERT_THAT(Reflect<grpc::reflection::v1alpha::ServerReflection>(
                  channel, alpha, &file),
              IsOk());
  ASSERT_GT(file.file_descriptor_response().file_descriptor_proto_size(), 3);
  google::protobuf::FileDescriptorProto proto;
  ASSERT_TRUE(proto.ParseFromString(
      file.file_descriptor_response().file_descriptor_proto(0)));
  EXPECT_EQ(proto.name(), "innkeeper/v1/guests.proto");

  request.set_file_containing_symbol("no.Such");
  ASSERT_THAT(Reflect<grpc::reflection::v1::ServerReflection>(channel, request,
                                                              &response),
              IsOk());
  EXPECT_EQ(response.error_response().error_code(), grpc::NOT_FOUND);
}

TEST_F(SystemServicesTest, StopWaitsForUnaryCalls) {
  const auto channel = server_->Channel("user/alice");
  grpc::Status stopped;
  std::thread client([&] { stopped = StopGuest(channel); });
  auto done = guests_->TakePending();
  ASSERT_TRUE(done);
  std::thread stopper([&] { server_->runner().Stop(absl::Seconds(10)); });
  done(google::longrunning::Operation());
  client.join();
  stopper.join();
  EXPECT_TRUE(stopped.ok()) << stopped.error_message();
}

TEST_F(SystemServicesTest, StopTellsStreamsWhy) {
  const auto stub = v1::Guests::NewStub(server_->Channel("user/alice"));
  grpc::ClientContext context;
  SetTimeout(&context, absl::Seconds(20));
  const auto stream = stub->WatchGuests(&context, v1::WatchGuestsRequest());
  stream->WaitForInitialMetadata();

  server_->runner().Stop(absl::Seconds(10));

  v1::WatchGuestsResponse response;
  while (stream->Read(&response)) continue;
  const absl::Status ended = FromGrpcStatus(stream->Finish());
  EXPECT_THAT(ended, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(ended, HasReason(reason::kShuttingDown));
}

// A client that speaks HTTP/2 to a unix socket, by hand, and answers nothing.
class SilentClient {
 public:
  static constexpr int kGoaway = 7;  // The type of a frame.

  // `address` is "unix:/PATH".
  explicit SilentClient(const std::string& address)
      : socket_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    address.copy(to.sun_path, sizeof(to.sun_path) - 1, strlen("unix:"));
    EXPECT_EQ(
        connect(socket_.get(), reinterpret_cast<sockaddr*>(&to), sizeof(to)),
        0);
    // The preface, and a frame of SETTINGS that sets nothing.
    const std::string hello =
        absl::StrCat("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                     absl::string_view("\0\0\0\4\0\0\0\0\0", 9));
    EXPECT_THAT(WriteAll(socket_.get(), hello), IsOk());
  }

  // The type of the next frame, if one comes within `limit`.
  std::optional<int> NextFrame(absl::Duration limit) {
    constexpr size_t kHeader = 9;
    while (true) {
      if (bytes_.size() >= kHeader) {
        const auto byte = [&](size_t at) {
          return static_cast<unsigned char>(bytes_[at]);
        };
        const size_t size =
            kHeader + (size_t{byte(0)} << 16 | size_t{byte(1)} << 8 | byte(2));
        if (bytes_.size() >= size) {
          const int type = byte(3);
          bytes_.erase(0, size);
          return type;
        }
      }
      pollfd waiting = {socket_.get(), POLLIN, 0};
      const auto millis = static_cast<int>(absl::ToInt64Milliseconds(limit));
      if (poll(&waiting, 1, millis) != 1) return std::nullopt;
      char buffer[4096];
      const ssize_t got = recv(socket_.get(), buffer, sizeof(buffer), 0);
      if (got <= 0) {
        ended_ = true;
        return std::nullopt;
      }
      bytes_.append(buffer, static_cast<size_t>(got));
    }
  }

  // False if the connection ends without it, or there is none for 10 s.
  bool AwaitGoaway() {
    while (const std::optional<int> type = NextFrame(absl::Seconds(10))) {
      if (*type == kGoaway) return true;
    }
    return false;
  }

  // Whether the server has ended the connection, as far as was read.
  bool ended() const { return ended_; }

 private:
  const UniqueFd socket_;
  std::string bytes_;
  bool ended_ = false;
};

TEST_F(SystemServicesTest, ConnectionAtRestHoldsUpNoStop) {
  SilentClient client(server_->runner().addresses().back());
  // The server's SETTINGS: it has taken the connection.
  ASSERT_TRUE(client.NextFrame(absl::Seconds(10)));

  const absl::Time begin = absl::Now();
  server_->runner().Stop(absl::Minutes(1));

  EXPECT_LT(absl::Now() - begin, absl::Seconds(10));
  EXPECT_TRUE(client.AwaitGoaway());
  while (client.NextFrame(absl::Seconds(10))) continue;
  EXPECT_TRUE(client.ended());
}

TEST_F(SystemServicesTest, CallInFlightHasItsTimeBesideConnectionsAtRest) {
  SilentClient client(server_->runner().addresses().back());
  ASSERT_TRUE(client.NextFrame(absl::Seconds(10)));
  const auto channel = server_->Channel("user/alice");
  grpc::Status stopped;
  std::thread caller([&] { stopped = StopGuest(channel); });
  auto done = guests_->TakePending();
  ASSERT_TRUE(done);

  std::thread stopper([&] { server_->runner().Stop(absl::Seconds(20)); });
  EXPECT_TRUE(client.AwaitGoaway());
  while (client.NextFrame(3 * Acceptor::kQuiet)) continue;
  EXPECT_FALSE(client.ended());
  done(google::longrunning::Operation());
  caller.join();
  stopper.join();

  EXPECT_TRUE(stopped.ok()) << stopped.error_message();
  EXPECT_FALSE(client.NextFrame(absl::Seconds(10)));
  EXPECT_TRUE(client.ended());
}

}  // namespace
}  // namespace innkeeper
