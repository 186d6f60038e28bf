#include "rpc/frontend.h"

#include <unistd.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "auth/principal.h"
#include "auth/testing/test_pki.h"
#include "auth/tls_credentials.h"
#include "auth/tls_init.h"
#include "base/event_loop.h"
#include "base/file.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "grpc/reflection/v1/reflection.grpc.pb.h"
#include "grpcpp/client_context.h"
#include "gtest/gtest.h"
#include "innkeeper/v1/policy.grpc.pb.h"
#include "rpc/channel.h"
#include "rpc/policy_service.h"
#include "rpc/serving_config.h"
#include "rpc/status_map.h"
#include "rpc/testing/test_server.h"

namespace innkeeper {
namespace {

using grpc::health::v1::Health;
using grpc::health::v1::HealthCheckResponse;
using grpc::reflection::v1::ServerReflection;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr size_t kMaxFile = size_t{1} << 20;

class FrontendTest : public testing::Test {
 protected:
  FrontendTest() : dir_(MakeTestDir()) {
    EXPECT_THAT(InitTls(), IsOk());
    config_.name = "h1";
    config_.trust_domain = std::string(kTestTrustDomain);
    config_.listen_addresses = {"127.0.0.1:0"};
    config_.state_directory = dir_;
    config_.bindings = {{"owner", "user/*", "own"}};
    ShowCertificateOf("host/h1");
  }

  void ShowCertificateOf(absl::string_view principal) {
    const TlsFiles files = pki_.Write(dir_ + "/tls", pki_.Issue(principal));
    config_.ca_file = files.ca_path;
    config_.certificate_file = files.certificate_path;
    config_.key_file = files.key_path;
  }

  // A host's frontend that serves Policy; its errors fail the test.
  std::unique_ptr<Frontend> ServePolicy() {
    Frontend::Options options;
    options.config = config_;
    absl::StatusOr<TlsOptions> tls =
        Frontend::OpenTls(config_, PrincipalKind::kHost);
    EXPECT_THAT(tls, IsOk());
    options.tls = *std::move(tls);
    options.noun = "agent";
    options.kind = PrincipalKind::kHost;
    options.services = {"innkeeper.v1.Policy"};
    options.loop = &loop_;
    absl::StatusOr<std::unique_ptr<Frontend>> front =
        Frontend::Create(std::move(options));
    EXPECT_THAT(front, IsOk());
    std::vector<std::unique_ptr<grpc::Service>> services;
    services.push_back(std::make_unique<PolicyService>(
        (*front)->gate(), (*front)->authorizer(), (*front)->self(), "1.2.3"));
    EXPECT_THAT((*front)->Serve(std::move(services)), IsOk());
    return *std::move(front);
  }

  std::shared_ptr<grpc::Channel> ChannelTo(const Frontend& front) {
    TlsOptions tls;
    tls.files = pki_.Write(dir_ + "/client", pki_.Issue("user/alice"));
    tls.expected.kinds = {PrincipalKind::kHost};
    return *MakeChannel(front.addresses().front(), tls);
  }

  const std::string dir_;
  const TestPki pki_;
  ServingConfig config_;
  EventLoop loop_{"test"};
};

TEST_F(FrontendTest, ServesWhatItWasGivenAndSaysWhoItIs) {
  const std::unique_ptr<Frontend> front = ServePolicy();
  grpc::ClientContext context;
  SetTimeout(&context, absl::Seconds(20));
  v1::WhoAmIResponse answer;

  ASSERT_THAT(FromGrpcStatus(v1::Policy::NewStub(ChannelTo(*front))
                                 ->WhoAmI(&context, {}, &answer)),
              IsOk());

  EXPECT_EQ(answer.answered_by(), "host/h1");
  EXPECT_EQ(answer.principal(), "user/alice");
  ASSERT_EQ(answer.bindings_size(), 1);
  EXPECT_EQ(answer.bindings(0).role(), "owner");
  EXPECT_EQ(answer.version(), "1.2.3");
}

TEST_F(FrontendTest, IsHealthyOnceItServesAndTellsWatchersThatItStops) {
  const std::unique_ptr<Frontend> front = ServePolicy();
  grpc::ClientContext context;
  SetTimeout(&context, absl::Seconds(20));
  const auto health = Health::NewStub(ChannelTo(*front))->Watch(&context, {});
  HealthCheckResponse response;
  ASSERT_TRUE(health->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::SERVING);

  front->Stop(Frontend::kDrain);

  while (health->Read(&response)) continue;
  EXPECT_THAT(FromGrpcStatus(health->Finish()),
              AllOf(StatusIs(absl::StatusCode::kUnavailable),
                    HasReason(reason::kShuttingDown)));
}

TEST_F(FrontendTest, DenialIsAudited) {
  const std::unique_ptr<Frontend> front = ServePolicy();
  grpc::ClientContext context;
  SetTimeout(&context, absl::Seconds(20));
  const auto stub = ServerReflection::NewStub(ChannelTo(*front));
  const auto stream = stub->ServerReflectionInfo(&context);
  grpc::reflection::v1::ServerReflectionRequest request;
  request.set_list_services("*");
  stream->Write(request);
  ASSERT_THAT(FromGrpcStatus(stream->Finish()),
              StatusIs(absl::StatusCode::kPermissionDenied));

  EXPECT_THAT(ReadFile(dir_ + "/audit.jsonl", kMaxFile),
              IsOkAndHolds(AllOf(HasSubstr("user/alice"),
                                 HasSubstr("ServerReflectionInfo"),
                                 HasSubstr("PERMISSION_DENIED"))));
}

TEST_F(FrontendTest, CertificateOfSomebodyElseIsRefused) {
  ShowCertificateOf("host/h2");
  EXPECT_THAT(Frontend::OpenTls(config_, PrincipalKind::kHost).status(),
              AllOf(StatusIs(absl::StatusCode::kFailedPrecondition,
                             AllOf(HasSubstr("host/h2"), HasSubstr("host/h1"),
                                   HasSubstr(config_.certificate_file))),
                    HasReason(reason::kConfigInvalid)));
}

TEST_F(FrontendTest, HostWithTheServersNameIsNotTheServer) {
  EXPECT_THAT(
      Frontend::OpenTls(config_, PrincipalKind::kServer).status(),
      StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("server/h1")));
}

TEST_F(FrontendTest, ProcessThatDoesNotListenNeedsNoCertificate) {
  config_.listen_addresses.clear();
  config_.certificate_file.clear();
  EXPECT_THAT(Frontend::OpenTls(config_, PrincipalKind::kHost), IsOk());
}

TEST_F(FrontendTest, DenyListOfItsOwnIsMade) {
  config_.deny_list_file = dir_ + "/deny_list";
  EXPECT_THAT(Frontend::OpenTls(config_, PrincipalKind::kHost), IsOk());
  EXPECT_THAT(ReadFile(config_.deny_list_file, kMaxFile), IsOkAndHolds(""));
}

TEST_F(FrontendTest, DenyListOfSomebodyElseMustBeThere) {
  config_.deny_list_file = dir_ + "/elsewhere";
  EXPECT_THAT(Frontend::OpenTls(config_, PrincipalKind::kHost).status(),
              StatusIs(absl::StatusCode::kUnavailable,
                       HasSubstr(config_.deny_list_file)));
}

TEST_F(FrontendTest, ServiceThatNoRuleCoversKeepsItFromServing) {
  Frontend::Options options;
  options.config = config_;
  options.kind = PrincipalKind::kHost;
  options.services = {"innkeeper.v1.Nothing"};
  options.loop = &loop_;
  EXPECT_THAT(Frontend::Create(std::move(options)).status(),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("innkeeper.v1.Nothing")));
}

}  // namespace
}  // namespace innkeeper
