#include "auth/pki.h"

#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "auth/certificate_builder.h"
#include "auth/certificate_chain.h"
#include "auth/certificate_verifier.h"
#include "auth/enrolment_token.h"
#include "auth/openssl.h"
#include "auth/principal.h"
#include "auth/tls_credentials.h"
#include "base/file.h"
#include "base/reason.h"
#include "base/testing/fake_clock.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using absl::StatusCode;
using testing::HasSubstr;

class PkiTest : public testing::Test {
 protected:
  void SetUp() override {
    const testing::TestInfo* info =
        testing::UnitTest::GetInstance()->current_test_info();
    dir_ =
        absl::StrCat(testing::TempDir(), "/pki.", info->name(), ".", getpid());
    ASSERT_THAT(InitPki(dir_, "example.test", clock_), IsOk());
  }

  Pki Open() { return *Pki::Open(dir_, clock_); }
  static IssueRequest For(absl::string_view principal) {
    return IssueRequest{*Principal::Parse(principal), {}, {}, absl::Hours(24)};
  }
  mode_t ModeOf(absl::string_view name) {
    struct stat file = {};
    EXPECT_EQ(stat(absl::StrCat(dir_, "/", name).c_str(), &file), 0) << name;
    return file.st_mode & 07777;
  }

  FakeClock clock_;
  std::string dir_;
};

TEST_F(PkiTest, KeysAreForTheOwnerOnly) {
  for (const absl::string_view key :
       {"root.key", "host-ca.key", "service-ca.key", "user-ca.key"}) {
    EXPECT_EQ(ModeOf(key), 0600) << key;
  }
}

TEST_F(PkiTest, AnAuthorityIsNeverOverwritten) {
  const std::string before = *ReadFile(dir_ + "/ca.pem", 1 << 20);
  EXPECT_THAT(InitPki(dir_, "example.test", clock_),
              StatusIs(StatusCode::kAlreadyExists));
  EXPECT_EQ(*ReadFile(dir_ + "/ca.pem", 1 << 20), before);
}

TEST_F(PkiTest, ABadTrustDomainIsRefused) {
  for (const std::string name : {"", "Example", "a b", "-a", "a/b", "a."}) {
    EXPECT_THAT(InitPki(dir_ + "-bad", name, clock_),
                StatusIs(StatusCode::kInvalidArgument));
  }
}

TEST_F(PkiTest, WhatItIssuesPassesOurOwnChecks) {
  for (const std::string principal : {"user/alice", "service/ci", "host/h1",
                                      "server/s1", "gateway/g1", "enrol/x"}) {
    const auto issued = Open().Issue(For(principal));
    ASSERT_THAT(issued, IsOk()) << principal;
    const std::string prefix =
        absl::StrCat(dir_, "/", principal.substr(0, principal.find('/')));
    ASSERT_THAT(WriteCertificate(prefix, *issued), IsOk());
    const auto checked =
        CheckTlsFiles(TlsFiles{"example.test", dir_ + "/ca.pem",
                               prefix + ".pem", prefix + ".key"},
                      TlsRole::kClient, clock_.Now());
    ASSERT_THAT(checked, IsOk()) << principal;
    EXPECT_EQ(checked->principal.ToString(), principal);
    EXPECT_EQ(checked->for_server, principal[0] == 'h' ||
                                       principal == "server/s1" ||
                                       principal == "gateway/g1");
  }
}

TEST_F(PkiTest, EveryIssueIsLogged) {
  const auto first = Open().Issue(For("user/alice"));
  const auto second = Open().Issue(For("host/h1"));
  const std::string log = *ReadFile(dir_ + "/issued.log", 1 << 20);
  EXPECT_THAT(log, HasSubstr(first->certificate.serial_number));
  EXPECT_THAT(log, HasSubstr(second->certificate.fingerprint));
  EXPECT_THAT(log, HasSubstr("\"principal\":\"host/h1\""));
}

TEST_F(PkiTest, RequestsThatMakeNoSenseAreRefused) {
  IssueRequest addresses = For("user/alice");
  addresses.dns_names = {"alice.example"};
  IssueRequest never = For("user/alice");
  never.validity = absl::ZeroDuration();
  IssueRequest forever = For("user/alice");
  forever.validity = absl::Hours(24 * 9000);
  IssueRequest bad_ip = For("host/h1");
  bad_ip.ip_addresses = {"300.1.1.1"};
  for (const IssueRequest& request :
       {addresses, never, forever, bad_ip, For("local/h1/0")}) {
    EXPECT_THAT(Open().Issue(request), StatusIs(StatusCode::kInvalidArgument));
  }
}

TEST_F(PkiTest, AServerWithTheHostKeyOnlyIssuesForHostsOnly) {
  for (const absl::string_view gone :
       {"root.key", "service-ca.key", "user-ca.key"}) {
    ASSERT_EQ(unlink(absl::StrCat(dir_, "/", gone).c_str()), 0);
  }
  EXPECT_THAT(Open().Issue(For("host/h1")), IsOk());
  EXPECT_THAT(Open().Issue(For("user/alice")), StatusIs(StatusCode::kNotFound));
  EXPECT_THAT(Open().Issue(For("server/s2")), StatusIs(StatusCode::kNotFound));
}

TEST_F(PkiTest, CertificatesAreNotOverwritten) {
  const auto issued = Open().Issue(For("user/alice"));
  ASSERT_THAT(WriteCertificate(dir_ + "/alice", *issued), IsOk());
  EXPECT_EQ(ModeOf("alice.key"), 0600);
  EXPECT_THAT(WriteCertificate(dir_ + "/alice", *issued),
              StatusIs(StatusCode::kAlreadyExists));
}

TEST_F(PkiTest, AHostKeepsItsKeyToItself) {
  const Ssl<EVP_PKEY> key = *MakeKey();
  const std::string csr = *MakeSigningRequest(key.get());
  const auto issued = Open().SignHost(For("host/h1"), csr);
  ASSERT_THAT(issued, IsOk());
  EXPECT_EQ(issued->key_pem, "");
  const auto chain = ParsePemCertificates(issued->chain_pem, 2);
  ASSERT_THAT(chain, IsOk());
  EXPECT_EQ(X509_check_private_key(chain->front().get(), key.get()), 1);
}

TEST_F(PkiTest, ABadSigningRequestIsRefused) {
  const Ssl<EVP_PKEY> key = *MakeKey();
  const std::string csr = *MakeSigningRequest(key.get());
  EXPECT_THAT(Open().SignHost(For("server/s1"), csr),
              StatusIs(StatusCode::kInvalidArgument));
  std::string altered = csr;
  char& c = altered[csr.size() - 45];
  c = c == 'A' ? 'B' : 'A';
  for (const std::string& text :
       {std::string(), std::string("garbage"), altered, csr.substr(0, 100),
        std::string(100000, 'x')}) {
    EXPECT_FALSE(Open().SignHost(For("host/h1"), text).ok());
  }
}

TEST_F(PkiTest, ARequestIsKnownByItsKey) {
  const Ssl<EVP_PKEY> key = *MakeKey();
  const std::string csr = *MakeSigningRequest(key.get());
  const auto issued = Open().SignHost(For("host/h1"), csr);
  ASSERT_THAT(issued, IsOk());

  // ECDSA signs with chance: another request of the key is another text.
  EXPECT_TRUE(IsRequestFor(*MakeSigningRequest(key.get()), issued->chain_pem));

  EXPECT_FALSE(
      IsRequestFor(*MakeSigningRequest(MakeKey()->get()), issued->chain_pem));
  EXPECT_FALSE(IsRequestFor("", issued->chain_pem));
  EXPECT_FALSE(IsRequestFor(csr, ""));
  EXPECT_FALSE(IsRequestFor(csr, csr));
}

TEST_F(PkiTest, AWeakKeyIsNotSigned) {
  const Ssl<EVP_PKEY> weak(EVP_RSA_gen(1024));
  EXPECT_THAT(Open().SignHost(For("host/h1"), *MakeSigningRequest(weak.get())),
              HasReason(reason::kCertificateRefused));
}

TEST_F(PkiTest, AnEnrolmentTokenReadsBackAsItWasWritten) {
  const auto token =
      Open().MakeEnrolmentToken("t1", {"192.0.2.1:7443", "[::1]:7443"});
  ASSERT_THAT(token, IsOk());
  const auto text = FormatEnrolmentToken(*token);
  ASSERT_THAT(text, IsOk());
  EXPECT_EQ(text->substr(0, 5), "inn1.");
  EXPECT_EQ(text->find('\n'), std::string::npos);
  const auto parsed = ParseEnrolmentToken(*text, clock_.Now());
  ASSERT_THAT(parsed, IsOk());
  EXPECT_EQ(parsed->addresses, token->addresses);
  EXPECT_EQ(parsed->trust_domain, "example.test");
  EXPECT_EQ(parsed->ca_pem, token->ca_pem);
  EXPECT_EQ(parsed->chain_pem, token->chain_pem);
  EXPECT_EQ(parsed->key_pem, token->key_pem);
}

TEST_F(PkiTest, AnEnrolmentTokenIsGoodForOneHour) {
  const std::string text = *FormatEnrolmentToken(
      *Open().MakeEnrolmentToken("t1", {"192.0.2.1:7443"}));
  clock_.Advance(absl::Minutes(59));
  EXPECT_THAT(ParseEnrolmentToken(text, clock_.Now()), IsOk());
  clock_.Advance(absl::Minutes(2));
  EXPECT_THAT(ParseEnrolmentToken(text, clock_.Now()),
              StatusIs(StatusCode::kPermissionDenied, HasSubstr("expired")));
}

TEST_F(PkiTest, AnAlteredEnrolmentTokenIsRefused) {
  const std::string good = *FormatEnrolmentToken(
      *Open().MakeEnrolmentToken("t1", {"192.0.2.1:7443"}));
  for (size_t i = 0; i < good.size(); i += 11) {
    std::string bad = good;
    bad[i] = bad[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(ParseEnrolmentToken(bad, clock_.Now()).ok()) << i;
  }
  for (const std::string& bad :
       {std::string(), std::string("inn1."), good + "A", good + "=",
        good + "\n", " " + good, "inn2." + good.substr(5),
        good.substr(0, good.size() - 4), good + std::string(20000, 'A')}) {
    EXPECT_FALSE(ParseEnrolmentToken(bad, clock_.Now()).ok());
  }
}

TEST_F(PkiTest, ATokenMadeOfOtherCertificatesIsRefused) {
  const EnrolmentToken good =
      *Open().MakeEnrolmentToken("t1", {"192.0.2.1:7443"});
  EnrolmentToken host = good;
  const auto issued = Open().Issue(For("host/h1"));
  host.chain_pem = issued->chain_pem;
  host.key_pem = issued->key_pem;
  EnrolmentToken other_key = good;
  other_key.key_pem = issued->key_pem;
  EnrolmentToken other_domain = good;
  other_domain.trust_domain = "other.test";
  for (const EnrolmentToken& token : {host, other_key, other_domain}) {
    EXPECT_FALSE(
        ParseEnrolmentToken(*FormatEnrolmentToken(token), clock_.Now()).ok());
  }
  for (const std::string address :
       {"", "x", ":1", "a:0", "a:65536", "a:01", "a b:1", "a\n:1"}) {
    EnrolmentToken bad = good;
    bad.addresses = {address};
    EXPECT_THAT(FormatEnrolmentToken(bad),
                StatusIs(StatusCode::kInvalidArgument))
        << address;
  }
  EnrolmentToken none = good;
  none.addresses.clear();
  EXPECT_THAT(FormatEnrolmentToken(none),
              StatusIs(StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace innkeeper
