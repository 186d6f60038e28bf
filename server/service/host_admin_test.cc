#include "server/service/host_admin.h"

#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "auth/certificate.h"
#include "auth/certificate_builder.h"
#include "auth/enrolment_token.h"
#include "auth/pki.h"
#include "base/error.h"
#include "base/file.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "innkeeper/v1/hosts.grpc.pb.h"
#include "server/hosts/host_directory.h"
#include "server/service/guest_claims.h"
#include "server/service/testing/test_cluster.h"

namespace innkeeper {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::SizeIs;
using Hosts = v1::Hosts::Stub;

std::string NewSigningRequest() {
  const auto key = MakeKey();
  EXPECT_THAT(key, IsOk());
  const auto request = MakeSigningRequest(key->get());
  EXPECT_THAT(request, IsOk());
  return *request;
}

// The first certificate of a chain.
std::string LeafOf(const std::string& chain_pem) {
  constexpr absl::string_view kEnd = "-----END CERTIFICATE-----\n";
  return chain_pem.substr(0, chain_pem.find(kEnd.data()) + kEnd.size());
}

v1::EnrolHostRequest EnrolmentOf(const std::string& host) {
  v1::EnrolHostRequest request;
  request.set_host_id(host);
  request.set_address(absl::StrCat(host, ".test:7440"));
  request.set_certificate_request(NewSigningRequest());
  return request;
}

class HostAdminTest : public testing::Test {
 protected:
  HostAdminTest() { cluster_.AddAgent("h3"); }

  absl::StatusOr<v1::CreateEnrolmentTokenResponse> CreateToken(
      const std::string& host) {
    v1::CreateEnrolmentTokenRequest request;
    request.set_host_id(host);
    return cluster_.Call("user/root", &Hosts::CreateEnrolmentToken, request);
  }
  // Who bears a new token for `host`: "enrol/UUID".
  std::string NewBearer(const std::string& host) {
    const auto created = CreateToken(host);
    EXPECT_THAT(created, IsOk());
    const auto token = ParseEnrolmentToken(created->token(), absl::Now());
    EXPECT_THAT(token, IsOk());
    const auto certificate =
        ParseCertificate(LeafOf(token->chain_pem), token->trust_domain);
    EXPECT_THAT(certificate, IsOk());
    return certificate->principal.ToString();
  }
  absl::StatusOr<v1::EnrolHostResponse> Enrol(
      const std::string& bearer, const v1::EnrolHostRequest& request) {
    return cluster_.Call(bearer, &Hosts::EnrolHost, request);
  }
  absl::Status Remove(const std::string& name, bool force = false) {
    v1::RemoveHostRequest request;
    request.set_name(name);
    request.set_force(force);
    return cluster_.Call("user/root", &Hosts::RemoveHost, request).status();
  }

  TestCluster cluster_;
};

TEST_F(HostAdminTest, TokenThatNobodyGaveOutIsRefused) {
  const auto refused =
      Enrol("enrol/3f2504e0-4f89-41d3-9a0c-0305e82c3301", EnrolmentOf("h3"));

  EXPECT_THAT(refused, AllOf(StatusIs(absl::StatusCode::kPermissionDenied,
                                      HasSubstr("inn host token")),
                             HasReason(reason::kEnrolmentTokenRefused)));
  EXPECT_FALSE(cluster_.inventory().FindHost("h3").has_value());
}

TEST_F(HostAdminTest, TokenIsForItsHostOnly) {
  EXPECT_THAT(Enrol(NewBearer("h4"), EnrolmentOf("h3")),
              AllOf(StatusIs(absl::StatusCode::kPermissionDenied),
                    HasReason(reason::kEnrolmentTokenRefused)));
}

TEST_F(HostAdminTest, TokenWorksOnce) {
  const std::string bearer = NewBearer("h3");
  ASSERT_THAT(Enrol(bearer, EnrolmentOf("h3")), IsOk());
  ASSERT_THAT(Remove("hosts/h3"), IsOk());

  EXPECT_THAT(Enrol(bearer, EnrolmentOf("h3")),
              AllOf(StatusIs(absl::StatusCode::kPermissionDenied,
                             HasSubstr("used already")),
                    HasReason(reason::kEnrolmentTokenRefused)));
}

TEST_F(HostAdminTest, OfTwoThatUseOneTokenOneComesIn) {
  const std::string bearer = NewBearer("h3");
  cluster_.Channel(bearer);
  std::vector<absl::Status> outcomes(8);
  std::vector<std::thread> threads;
  threads.reserve(outcomes.size());

  for (absl::Status& outcome : outcomes) {
    // Each has a key of its own.
    threads.emplace_back([&, request = EnrolmentOf("h3")] {
      outcome = Enrol(bearer, request).status();
    });
  }
  for (std::thread& thread : threads) thread.join();

  int came_in = 0;
  for (const absl::Status& outcome : outcomes) came_in += outcome.ok() ? 1 : 0;
  EXPECT_EQ(came_in, 1);
}

TEST_F(HostAdminTest, RepeatOfOneEnrolmentHasItsAnswer) {
  const std::string bearer = NewBearer("h3");
  const v1::EnrolHostRequest request = EnrolmentOf("h3");
  const auto first = Enrol(bearer, request);
  ASSERT_THAT(first, IsOk());

  const auto again = Enrol(bearer, request);

  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->SerializeAsString(), first->SerializeAsString());
}

TEST_F(HostAdminTest, TokenExpires) {
  const std::string bearer = NewBearer("h3");
  cluster_.clock().Advance(absl::Minutes(61));

  EXPECT_THAT(Enrol(bearer, EnrolmentOf("h3")),
              AllOf(StatusIs(absl::StatusCode::kPermissionDenied,
                             HasSubstr("has expired")),
                    HasReason(reason::kEnrolmentTokenRefused)));
}

TEST_F(HostAdminTest, HostThatIsInTheClusterGetsNoToken) {
  EXPECT_THAT(CreateToken("h1"),
              AllOf(StatusIs(absl::StatusCode::kAlreadyExists,
                             HasSubstr("remove it first")),
                    HasReason(reason::kHostExists)));
}

TEST_F(HostAdminTest, ServerWithoutAnAuthorityGivesNoToken) {
  HostAdmin admin({&cluster_.directory(),
                   &cluster_.inventory(),
                   nullptr,
                   &cluster_.claims(),
                   &cluster_.clock(),
                   "",
                   {},
                   ""});
  v1::CreateEnrolmentTokenRequest request;
  request.set_host_id("h3");

  EXPECT_THAT(admin.CreateToken(request),
              AllOf(StatusIs(absl::StatusCode::kFailedPrecondition,
                             HasSubstr("pki_directory")),
                    HasReason(reason::kConfigInvalid)));
}

TEST_F(HostAdminTest, RefusedEnrolmentDoesNotUseTheTokenUp) {
  const std::string bearer = NewBearer("h3");
  v1::EnrolHostRequest no_request = EnrolmentOf("h3");
  no_request.set_certificate_request("not a request");
  v1::EnrolHostRequest no_address = EnrolmentOf("h3");
  no_address.set_address("unix:/run/agent");

  EXPECT_THAT(Enrol(bearer, no_request),
              StatusIs(absl::StatusCode::kInvalidArgument));
  const absl::Status refused = Enrol(bearer, no_address).status();
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kInvalidArgument));
  ASSERT_THAT(DetailsOf(refused).fields, SizeIs(1));
  EXPECT_EQ(DetailsOf(refused).fields[0].field, "address");
  EXPECT_THAT(Enrol(bearer, EnrolmentOf("h3")), IsOk());
}

TEST_F(HostAdminTest, EnrolledHostGetsItsCertificateAndIsWatched) {
  const auto enrolled = Enrol(NewBearer("h3"), EnrolmentOf("h3"));
  ASSERT_THAT(enrolled, IsOk());

  const auto certificate =
      ParseCertificate(LeafOf(enrolled->certificate_chain()), kTestTrustDomain);
  ASSERT_THAT(certificate, IsOk());
  EXPECT_EQ(certificate->principal.ToString(), "host/h3");
  EXPECT_THAT(Pki::Open(cluster_.pki_directory())->ca_pem(),
              enrolled->ca_bundle());
  EXPECT_TRUE(cluster_.AwaitHost("h3", v1::Host::UP));
  EXPECT_EQ(cluster_.inventory().FindHost("h3")->address(), "h3.test:7440");
  cluster_.MustLaunch("web", "user/alice", "hosts/h3");
}

TEST_F(HostAdminTest, HostThatComesBackHasAHigherFencingNumber) {
  ASSERT_THAT(Enrol(NewBearer("h3"), EnrolmentOf("h3")), IsOk());
  const int64_t before = cluster_.inventory().FencingNumber("h3");
  ASSERT_THAT(Remove("hosts/h3"), IsOk());

  ASSERT_THAT(Enrol(NewBearer("h3"), EnrolmentOf("h3")), IsOk());

  EXPECT_GT(cluster_.inventory().FencingNumber("h3"), before);
}

TEST_F(HostAdminTest, HostWithGuestsIsNotRemovedUnlessForced) {
  cluster_.MustLaunch("web", "user/alice", "hosts/h1");
  cluster_.MustLaunch("db", "user/bob", "hosts/h1");
  cluster_.MustLaunch("other", "user/bob", "hosts/h2");

  const absl::Status refused = Remove("hosts/h1");

  EXPECT_THAT(refused, AllOf(StatusIs(absl::StatusCode::kFailedPrecondition,
                                      HasSubstr("has 2 guests")),
                             HasReason(reason::kHostNotEmpty)));
  ASSERT_THAT(DetailsOf(refused).preconditions, SizeIs(2));
  EXPECT_EQ(DetailsOf(refused).preconditions[0].subject, "guests/db");
  EXPECT_EQ(DetailsOf(refused).preconditions[1].subject, "guests/web");
  EXPECT_TRUE(cluster_.inventory().FindHost("h1").has_value());

  EXPECT_THAT(Remove("hosts/h1", /*force=*/true), IsOk());
  EXPECT_FALSE(cluster_.inventory().FindHost("h1").has_value());
  EXPECT_THAT(cluster_.claims().CheckFree("web"), IsOk());
  EXPECT_THAT(cluster_.claims().CheckFree("other"),
              StatusIs(absl::StatusCode::kAlreadyExists));
}

TEST_F(HostAdminTest, CertificateOfARemovedHostIsDenied) {
  ASSERT_THAT(WriteFileAtomically(cluster_.deny_list_file(),
                                  "principal:user/mallory", 0600),
              IsOk());

  ASSERT_THAT(Remove("hosts/h1"), IsOk());
  ASSERT_THAT(Remove("hosts/h2"), IsOk());

  const auto denied = ReadFile(cluster_.deny_list_file(), 4096);
  ASSERT_THAT(denied, IsOk());
  EXPECT_EQ(*denied,
            absl::StrCat("principal:user/mallory\n# host h1, removed\nsha256:",
                         std::string(64, '1'), "\n# host h2, removed\nsha256:",
                         std::string(64, '2'), "\n"));
}

TEST_F(HostAdminTest, HostThatCannotBeDeniedIsNotRemoved) {
  ASSERT_EQ(unlink(cluster_.deny_list_file().c_str()), 0);

  EXPECT_FALSE(Remove("hosts/h1").ok());

  EXPECT_TRUE(cluster_.inventory().FindHost("h1").has_value());
  EXPECT_TRUE(cluster_.directory().Find("h1").has_value());
}

}  // namespace
}  // namespace innkeeper
