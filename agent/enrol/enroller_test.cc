#include "agent/enrol/enroller.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "auth/enrolment_token.h"
#include "auth/pki.h"
#include "auth/principal.h"
#include "auth/testing/test_pki.h"
#include "auth/tls_credentials.h"
#include "base/error.h"
#include "base/file.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "innkeeper/v1/hosts.grpc.pb.h"
#include "rpc/testing/test_server.h"

namespace innkeeper {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Signs whatever key it is shown for host/h1, or refuses.
class FakeHosts final : public v1::Hosts::CallbackService {
 public:
  // What the pointers point to may change between calls.
  FakeHosts(Gate* gate, std::vector<v1::EnrolHostRequest>* seen,
            const Pki* cluster, const absl::Status* refusal)
      : gate_(*gate), seen_(*seen), cluster_(cluster), refusal_(*refusal) {}

  grpc::ServerUnaryReactor* EnrolHost(
      grpc::CallbackServerContext* context, const v1::EnrolHostRequest* request,
      v1::EnrolHostResponse* response) override {
    return gate_.Unary(
        context, request, response,
        [&](const Permit&) -> absl::StatusOr<v1::EnrolHostResponse> {
          seen_.push_back(*request);
          if (!refusal_.ok()) return refusal_;
          const IssueRequest wanted{*Principal::Parse("host/h1"), {}, {}};
          const absl::StatusOr<IssuedCertificate> issued =
              cluster_->SignHost(wanted, request->certificate_request());
          if (!issued.ok()) return issued.status();
          v1::EnrolHostResponse answer;
          answer.set_certificate_chain(issued->chain_pem);
          answer.set_ca_bundle(cluster_->ca_pem());
          return answer;
        });
  }

 private:
  Gate& gate_;
  std::vector<v1::EnrolHostRequest>& seen_;
  const Pki* const cluster_;
  const absl::Status& refusal_;
};

class EnrollerTest : public testing::Test {
 protected:
  EnrollerTest() : dir_(MakeTestDir()) {
    const std::string authority = absl::StrCat(dir_, "/pki");
    EXPECT_THAT(InitPki(authority, kTestTrustDomain), IsOk());
    cluster_ = std::make_unique<Pki>(*Pki::Open(authority));
    TestServer::Options options;
    options.services = {"innkeeper.v1.Hosts"};
    options.make = [this](Gate* gate) {
      std::vector<std::unique_ptr<grpc::Service>> services;
      services.push_back(
          std::make_unique<FakeHosts>(gate, &seen_, cluster_.get(), &refusal_));
      return services;
    };
    server_ = std::make_unique<TestServer>(std::move(options));
    config_.name = "h1";
    config_.trust_domain = std::string(kTestTrustDomain);
    config_.advertised_address = "h1.example:7443";
    config_.state_directory = absl::StrCat(dir_, "/state");
    EXPECT_EQ(mkdir(config_.state_directory.c_str(), 0700), 0);
    config_.ca_file = absl::StrCat(dir_, "/ca.pem");
    config_.certificate_file = absl::StrCat(dir_, "/cert.pem");
    config_.key_file = absl::StrCat(dir_, "/key.pem");
    config_.enrolment_token_file = absl::StrCat(dir_, "/token");
  }

  // A token of `pki` for the servers at `addresses`.
  static EnrolmentToken MakeToken(const TestPki& pki,
                                  std::vector<std::string> addresses) {
    const TestCertificate bearer = pki.Issue("enrol/h1");
    EnrolmentToken token;
    token.addresses = std::move(addresses);
    token.trust_domain = std::string(kTestTrustDomain);
    token.ca_pem = pki.ca_pem();
    token.chain_pem = bearer.chain_pem;
    token.key_pem = bearer.key_pem;
    return token;
  }
  void WriteToken(const EnrolmentToken& token) {
    const absl::StatusOr<std::string> text = FormatEnrolmentToken(token);
    ASSERT_THAT(text, IsOk());
    std::ofstream(config_.enrolment_token_file) << *text << "\n";
  }
  // That is left of an enrolment in files.
  std::vector<std::string> Left() {
    std::vector<std::string> left;
    for (const std::string& path :
         {config_.ca_file, config_.certificate_file, config_.key_file}) {
      if (access(path.c_str(), F_OK) == 0) left.push_back(path);
    }
    DIR* const state = opendir(config_.state_directory.c_str());
    while (const dirent* entry = readdir(state)) {
      if (entry->d_name[0] != '.') left.push_back(entry->d_name);
    }
    closedir(state);
    return left;
  }

  std::vector<v1::EnrolHostRequest> seen_;
  absl::Status refusal_;
  const std::string dir_;
  // Who signs hosts; the server and the bearers of tokens have another.
  std::unique_ptr<Pki> cluster_;
  std::unique_ptr<TestServer> server_;
  AgentConfig config_;
};

TEST_F(EnrollerTest, TokenThatIsNoneIsRefusedAndNobodyAsked) {
  for (const char* text : {"", "nonsense", "inn1.AAAA"}) {
    std::ofstream(config_.enrolment_token_file) << text;
    EXPECT_THAT(EnrolIfNeeded(config_),
                HasReason(reason::kEnrolmentTokenRefused))
        << text;
  }
  EXPECT_THAT(Left(), IsEmpty());
  EXPECT_THAT(seen_, IsEmpty());
}

TEST_F(EnrollerTest, TokenThatIsNotThereIsNamed) {
  EXPECT_THAT(EnrolIfNeeded(config_),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr(config_.enrolment_token_file)));
}

TEST_F(EnrollerTest, RefusalOfTheServerIsPassedOnWithTheWayOut) {
  refusal_ = Error(absl::StatusCode::kPermissionDenied,
                   reason::kEnrolmentTokenRefused, "the token was used");
  WriteToken(MakeToken(server_->pki(), {server_->address()}));

  const absl::Status status = EnrolIfNeeded(config_);

  EXPECT_THAT(status, HasReason(reason::kEnrolmentTokenRefused));
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kPermissionDenied,
                               HasSubstr("inn host token")));
  // It is not asked again and again.
  EXPECT_THAT(seen_, SizeIs(1));
  EXPECT_THAT(Left(), ElementsAre(config_.key_file));
}

// Whoever answers there learns nothing: not even the request is sent.
TEST_F(EnrollerTest, ServerThatTheTokenDoesNotVouchForIsNotBelieved) {
  const TestPki other;
  WriteToken(MakeToken(other, {server_->address()}));

  const absl::Status status = EnrolIfNeeded(config_, absl::Seconds(1));

  EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(status, HasReason(reason::kHostUnreachable));
  EXPECT_THAT(seen_, IsEmpty());
  EXPECT_THAT(Left(), ElementsAre(config_.key_file));
}

TEST_F(EnrollerTest, SilenceIsSaidWithTheAddresses) {
  WriteToken(MakeToken(server_->pki(), {"127.0.0.1:1"}));

  const absl::Status status = EnrolIfNeeded(config_, absl::Seconds(1));

  EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable,
                               HasSubstr("127.0.0.1:1")));
  EXPECT_THAT(status, HasReason(reason::kHostUnreachable));
}

TEST_F(EnrollerTest, HostIsTakenInWithAKeyThatNeverLeftIt) {
  WriteToken(MakeToken(server_->pki(), {server_->address()}));

  ASSERT_THAT(EnrolIfNeeded(config_), IsOk());

  ASSERT_THAT(seen_, SizeIs(1));
  EXPECT_EQ(seen_[0].host_id(), "h1");
  EXPECT_EQ(seen_[0].address(), "h1.example:7443");
  const absl::StatusOr<Certificate> mine =
      CheckTlsFiles({config_.trust_domain, config_.ca_file,
                     config_.certificate_file, config_.key_file},
                    TlsRole::kServer, absl::Now());
  ASSERT_THAT(mine, IsOk());
  EXPECT_EQ(mine->principal.ToString(), "host/h1");
  const absl::StatusOr<std::string> key = ReadFile(config_.key_file, 8192);
  ASSERT_THAT(key, IsOk());
  EXPECT_THAT(seen_[0].certificate_request(), Not(HasSubstr("PRIVATE")));
  struct stat info = {};
  ASSERT_EQ(stat(config_.key_file.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
  // Of the token's own key nothing is left on the disk.
  EXPECT_THAT(Left(), SizeIs(3));
}

TEST_F(EnrollerTest, EnrolmentThatBrokeOffIsGoneOnWithUnderTheSameKey) {
  WriteToken(MakeToken(server_->pki(), {server_->address()}));
  refusal_ = Error(absl::StatusCode::kInternal, reason::kInternal, "no luck");
  EXPECT_THAT(EnrolIfNeeded(config_), HasReason(reason::kInternal));
  const absl::StatusOr<std::string> key = ReadFile(config_.key_file, 8192);
  ASSERT_THAT(key, IsOk());

  refusal_ = absl::OkStatus();
  ASSERT_THAT(EnrolIfNeeded(config_), IsOk());

  EXPECT_THAT(ReadFile(config_.key_file, 8192), IsOkAndHolds(*key));
  EXPECT_THAT(Left(), SizeIs(3));
}

TEST_F(EnrollerTest, AddressThatIsSilentDoesNotKeepFromTheNext) {
  WriteToken(MakeToken(server_->pki(), {"127.0.0.1:1", server_->address()}));

  EXPECT_THAT(EnrolIfNeeded(config_, absl::Seconds(6)), IsOk());
  EXPECT_THAT(seen_, SizeIs(1));
}

TEST_F(EnrollerTest, HostThatHasItsCertificateAsksNobody) {
  WriteToken(MakeToken(server_->pki(), {server_->address()}));
  std::ofstream(config_.certificate_file) << "its own";

  EXPECT_THAT(EnrolIfNeeded(config_), IsOk());
  EXPECT_THAT(seen_, IsEmpty());
}

TEST_F(EnrollerTest, HostWithoutATokenAsksNobody) {
  config_.enrolment_token_file.clear();

  EXPECT_THAT(EnrolIfNeeded(config_), IsOk());
  EXPECT_THAT(Left(), IsEmpty());
}

}  // namespace
}  // namespace innkeeper
