#include "auth/certificate_verifier.h"

#include <unistd.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "auth/certificate.h"
#include "auth/deny_list.h"
#include "auth/principal.h"
#include "auth/testing/test_pki.h"
#include "base/file.h"
#include "base/testing/fake_clock.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using absl::StatusCode;
using testing::HasSubstr;

const TestPki& Pki() {
  static const auto* const kPki = new TestPki();
  return *kPki;
}

std::string TempPath(absl::string_view name) {
  return absl::StrCat(testing::TempDir(), "/", name, ".", getpid());
}

// A verifier of servers' clients, unless told otherwise.
CertificateVerifier MakeVerifier(CertificateVerifierOptions options = {}) {
  static const std::string* const kCaPath = [] {
    auto* path = new std::string(TempPath("verifier-ca.pem"));
    EXPECT_THAT(WriteFileAtomically(*path, Pki().ca_pem(), 0600), IsOk());
    return path;
  }();
  options.trust_domain = std::string(kTestTrustDomain);
  options.ca_path = *kCaPath;
  return CertificateVerifier(std::move(options));
}

TEST(CertificateVerifierTest, AGoodCertificateSaysWhoItIs) {
  for (const std::string principal : {"user/alice", "service/ci", "host/h1",
                                      "server/s1", "gateway/g1", "enrol/x"}) {
    const TestCertificate made = Pki().Issue(principal);
    const auto result = MakeVerifier().Check(made.leaf_pem, made.chain_pem);
    ASSERT_THAT(result, IsOk()) << principal;
    EXPECT_EQ(result->principal.ToString(), principal);
    EXPECT_EQ(result->fingerprint.size(), 64);
  }
}

TEST(CertificateVerifierTest, TheChainMayLackTheLeafAsGrpcServersGiveIt) {
  const TestCertificate made = Pki().Issue("user/alice");
  EXPECT_THAT(MakeVerifier().Check(made.leaf_pem,
                                   made.chain_pem.substr(made.leaf_pem.size())),
              IsOk());
}

TEST(CertificateVerifierTest, OnlyTheExpectedPeerIsAccepted) {
  CertificateVerifierOptions hosts;
  hosts.peer_role = TlsRole::kServer;
  hosts.expected.kinds = {PrincipalKind::kHost};
  const CertificateVerifier any_host = MakeVerifier(hosts);
  CertificateVerifierOptions one = hosts;
  one.expected.principal = *Principal::Parse("host/h1");
  const CertificateVerifier only_h1 = MakeVerifier(one);
  const auto check = [](const CertificateVerifier& verifier,
                        absl::string_view principal) {
    const TestCertificate made = Pki().Issue(principal);
    return verifier.Check(made.leaf_pem, made.chain_pem).status();
  };
  EXPECT_THAT(check(any_host, "host/h1"), IsOk());
  EXPECT_THAT(check(any_host, "host/h2"), IsOk());
  EXPECT_THAT(check(any_host, "server/s1"),
              StatusIs(StatusCode::kPermissionDenied, HasSubstr("expected")));
  EXPECT_THAT(check(only_h1, "host/h1"), IsOk());
  EXPECT_THAT(check(only_h1, "host/h2"),
              StatusIs(StatusCode::kPermissionDenied, HasSubstr("expected")));
}

TEST(CertificateVerifierTest, AUsersCertificateMakesNoServer) {
  CertificateVerifierOptions options;
  options.peer_role = TlsRole::kServer;
  const TestCertificate made = Pki().Issue("user/alice");
  EXPECT_THAT(
      MakeVerifier(options).Check(made.leaf_pem, made.chain_pem),
      StatusIs(StatusCode::kPermissionDenied, HasSubstr("not for servers")));
}

TEST(CertificateVerifierTest, TimePassesByTheGivenClock) {
  FakeClock clock(Pki().now());
  CertificateVerifierOptions options;
  options.clock = &clock;
  const CertificateVerifier verifier = MakeVerifier(options);
  const TestCertificate made = Pki().Issue("user/alice");
  EXPECT_THAT(verifier.Check(made.leaf_pem, made.chain_pem), IsOk());
  clock.Advance(absl::Hours(25));
  EXPECT_THAT(verifier.Check(made.leaf_pem, made.chain_pem),
              StatusIs(StatusCode::kPermissionDenied, HasSubstr("expired")));
}

TEST(CertificateVerifierTest, WithoutRootsNobodyIsAccepted) {
  CertificateVerifierOptions options;
  options.trust_domain = std::string(kTestTrustDomain);
  options.ca_path = TempPath("no-such-ca.pem");
  const TestCertificate made = Pki().Issue("user/alice");
  EXPECT_THAT(CertificateVerifier(options).Check(made.leaf_pem, made.chain_pem),
              StatusIs(StatusCode::kUnavailable));
}

TEST(CertificateVerifierTest, ASlipInTheRotationOfRootsKeepsTheOldOnes) {
  CertificateVerifierOptions options;
  options.trust_domain = std::string(kTestTrustDomain);
  options.ca_path = TempPath("rotated-ca.pem");
  ASSERT_THAT(WriteFileAtomically(options.ca_path, Pki().ca_pem(), 0600),
              IsOk());
  const CertificateVerifier verifier(options);
  const TestCertificate old = Pki().Issue("user/alice");
  ASSERT_THAT(verifier.Check(old.leaf_pem, old.chain_pem), IsOk());

  ASSERT_THAT(WriteFileAtomically(options.ca_path, "", 0600), IsOk());
  EXPECT_THAT(verifier.Check(old.leaf_pem, old.chain_pem), IsOk());
  const TestPki other;
  ASSERT_THAT(WriteFileAtomically(options.ca_path, other.ca_pem(), 0600),
              IsOk());
  EXPECT_FALSE(verifier.Check(old.leaf_pem, old.chain_pem).ok());
  const TestCertificate fresh = other.Issue("user/alice");
  EXPECT_THAT(verifier.Check(fresh.leaf_pem, fresh.chain_pem), IsOk());
}

TEST(CertificateVerifierTest, TheDenyListIsAsked) {
  const std::string path = TempPath("deny-asked");
  ASSERT_THAT(WriteFileAtomically(path, "principal:user/alice\n", 0600),
              IsOk());
  CertificateVerifierOptions options;
  options.deny_list = std::make_shared<DenyList>(path);
  const CertificateVerifier verifier = MakeVerifier(options);
  const TestCertificate alice = Pki().Issue("user/alice");
  const TestCertificate bob = Pki().Issue("user/bob");
  EXPECT_THAT(verifier.Check(alice.leaf_pem, alice.chain_pem),
              StatusIs(StatusCode::kPermissionDenied));
  EXPECT_THAT(verifier.Check(bob.leaf_pem, bob.chain_pem), IsOk());
}

}  // namespace
}  // namespace innkeeper
