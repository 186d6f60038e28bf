#include "cli/connection.h"

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "auth/testing/test_pki.h"
#include "auth/tls_credentials.h"
#include "base/testing/status_matchers.h"
#include "base/uuid.h"
#include "cli/api_client.h"
#include "cli/interrupt.h"
#include "cli/remotes.h"
#include "gmock/gmock.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "gtest/gtest.h"
#include "innkeeper/v1/policy.grpc.pb.h"

namespace innkeeper {
namespace {

class FakePolicy : public v1::Policy::Service {
  grpc::Status WhoAmI(grpc::ServerContext*, const v1::WhoAmIRequest*,
                      v1::WhoAmIResponse* response) override {
    response->set_answered_by("server/lab");
    return grpc::Status::OK;
  }
};

// A service with the certificate of server/lab, and a caller with user/alice's.
class ConnectionTest : public testing::Test {
 protected:
  ConnectionTest() {
    TlsOptions options;
    options.files = pki_.Write(FreshDirectory(), pki_.Issue("server/lab"));
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", MakeServerCredentials(options),
                             &port);
    builder.RegisterService(&policy_);
    server_ = builder.BuildAndStart();
    remote_ = RemoteOf(pki_.Write(FreshDirectory(), pki_.Issue("user/alice")));
    remote_.address = absl::StrCat("127.0.0.1:", port);
  }
  ~ConnectionTest() override { server_->Shutdown(); }

  static std::string FreshDirectory() {
    return absl::StrCat(testing::TempDir(), "/", MakeUuid());
  }
  static Remote RemoteOf(const TlsFiles& files) {
    return {"", files.certificate_path, files.key_path, files.ca_path, ""};
  }

  absl::Status Call() {
    const auto channel = OpenChannel(remote_);
    if (!channel.ok()) return channel.status();
    ApiClient client(*channel, &interrupt_, absl::Milliseconds(1));
    return client
        .Call(&v1::Policy::Stub::WhoAmI, client.policy(), v1::WhoAmIRequest())
        .status();
  }

  TestPki pki_;
  FakePolicy policy_;
  Interrupt interrupt_;
  std::unique_ptr<grpc::Server> server_;
  Remote remote_;
};

TEST_F(ConnectionTest, AnyServerOfOurRootsAnswersWhereNoneIsNamed) {
  EXPECT_THAT(Call(), IsOk());
}

TEST_F(ConnectionTest, NamedServerAnswers) {
  remote_.server_name = "server/lab";
  EXPECT_THAT(Call(), IsOk());
}

TEST_F(ConnectionTest, ServerOfAnotherNameIsRefused) {
  remote_.server_name = "server/other";
  EXPECT_THAT(Call(), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(ConnectionTest, ServerOfOtherRootsIsRefused) {
  const TestPki other;
  const std::string address = remote_.address;
  remote_ = RemoteOf(other.Write(FreshDirectory(), other.Issue("user/alice")));
  remote_.address = address;
  EXPECT_THAT(Call(), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(ConnectionTest, FilesThatCannotBeUsedAreToldBeforeDialling) {
  remote_.key = "/nonexistent.key";
  EXPECT_FALSE(OpenChannel(remote_).ok());
  remote_.cert = "/nonexistent.pem";
  EXPECT_FALSE(OpenChannel(remote_).ok());
}

TEST_F(ConnectionTest, ServerNameThatIsNoPrincipalIsRefused) {
  remote_.server_name = "lab.example.com";
  EXPECT_THAT(OpenChannel(remote_),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace innkeeper
