#include "rpc/server_runner.h"

#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "auth/authorizer.h"
#include "auth/policy.h"
#include "auth/tls_init.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "google/protobuf/descriptor.pb.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "grpc/reflection/v1/reflection.grpc.pb.h"
#include "grpc/reflection/v1alpha/reflection.grpc.pb.h"
#include "grpcpp/client_context.h"
#include "gtest/gtest.h"
#include "rpc/channel.h"
#include "rpc/health_service.h"
#include "rpc/reflection_service.h"
#include "rpc/status_map.h"
#include "rpc/testing/fake_services.h"
#include "rpc/testing/test_server.h"

namespace innkeeper {
namespace {

using ::testing::ElementsAre;
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
  EXPECT_THAT(ServerRunner::Start(std::move(run)),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("innkeeper.v1.Guests")));
}

class SystemServicesTest : public testing::Test {
 protected:
  SystemServicesTest() {
    TestServer::Options options;
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

TEST_F(SystemServicesTest, StopWaitsForUnaryCallsAndEndsStreams) {
  const auto channel = server_->Channel("user/alice");
  grpc::Status stopped;
  std::thread client([&] {
    grpc::ClientContext context;
    SetTimeout(&context, absl::Seconds(20));
    v1::StopGuestRequest request;
    request.set_name("guests/web");
    google::longrunning::Operation operation;
    stopped =
        v1::Guests::NewStub(channel)->StopGuest(&context, request, &operation);
  });
  auto done = guests_->TakePending();
  ASSERT_TRUE(done);
  std::thread stopper([&] { server_->runner().Stop(absl::Seconds(10)); });
  done(google::longrunning::Operation());
  client.join();
  stopper.join();
  EXPECT_TRUE(stopped.ok()) << stopped.error_message();
}

}  // namespace
}  // namespace innkeeper
