#include "cli/certificate_check.h"

#include <sys/stat.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "auth/testing/test_pki.h"
#include "auth/tls_credentials.h"
#include "base/file.h"
#include "base/testing/status_matchers.h"
#include "base/uuid.h"
#include "cli/remotes.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using ::testing::HasSubstr;

class CertificateCheckTest : public testing::Test {
 protected:
  CertificateCheckTest()
      : files_(pki_.Write(absl::StrCat(testing::TempDir(), "/", MakeUuid()),
                          pki_.Issue("user/alice"))),
        remote_{"h:1", files_.certificate_path, files_.key_path, files_.ca_path,
                ""} {
    chmod(remote_.key.c_str(), 0600);
  }

  // The findings on `subject`, joined: "ok is valid until ...".
  std::string On(const std::string& subject, absl::Time now) {
    std::string text;
    for (const Finding& finding : CheckCertificates(remote_, now)) {
      if (finding.subject != subject) continue;
      absl::StrAppend(&text,
                      finding.result == CheckResult::kOk        ? "ok "
                      : finding.result == CheckResult::kWarning ? "warn "
                                                                : "fail ",
                      finding.text, "\n");
    }
    return text;
  }

  TestPki pki_;
  TlsFiles files_;
  Remote remote_;
};

TEST_F(CertificateCheckTest, GoodFilesGiveNoFailure) {
  for (const Finding& finding : CheckCertificates(remote_, pki_.now())) {
    EXPECT_NE(finding.result, CheckResult::kFailure)
        << finding.subject << ": " << finding.text;
  }
  EXPECT_THAT(On("identity", pki_.now()),
              HasSubstr("ok spiffe://example.test/user/alice"));
  EXPECT_THAT(On("chain", pki_.now()), HasSubstr("ok "));
  EXPECT_THAT(TrustDomainOf(remote_.cert), IsOkAndHolds("example.test"));
}

TEST_F(CertificateCheckTest, ExpiryIsToldBeforeAndAfter) {
  EXPECT_THAT(On("certificate", pki_.now()), HasSubstr("warn is valid until"));
  EXPECT_THAT(On("certificate", pki_.now() + absl::Hours(48)),
              HasSubstr("fail expired on"));
}

TEST_F(CertificateCheckTest, ClockThatIsBehindIsNamed) {
  EXPECT_THAT(On("certificate", pki_.now() - absl::Hours(3)),
              HasSubstr("this machine's clock is behind"));
}

TEST_F(CertificateCheckTest, KeyOfAnotherCertificateIsAFailure) {
  const TestCertificate other = pki_.Issue("user/bob");
  ASSERT_THAT(WriteFileAtomically(remote_.key, other.key_pem, 0600), IsOk());
  EXPECT_THAT(On("key", pki_.now()),
              HasSubstr("is not the key of the certificate"));
}

TEST_F(CertificateCheckTest, KeyThatOthersMayReadIsAWarning) {
  chmod(remote_.key.c_str(), 0644);
  EXPECT_THAT(On("key", pki_.now()), HasSubstr("warn others may read it"));
}

TEST_F(CertificateCheckTest, RootsOfAnotherClusterAreAFailure) {
  const TestPki other;
  ASSERT_THAT(WriteFileAtomically(remote_.ca, other.ca_pem(), 0644), IsOk());
  EXPECT_THAT(On("chain", pki_.now()),
              HasSubstr("fail does not lead to the roots"));
}

TEST_F(CertificateCheckTest, FilesThatHoldNothingAreFailures) {
  ASSERT_THAT(WriteFileAtomically(remote_.ca, "nothing", 0644), IsOk());
  EXPECT_THAT(On("roots", pki_.now()), HasSubstr("holds no certificate"));
  ASSERT_THAT(WriteFileAtomically(remote_.key, "nothing", 0600), IsOk());
  EXPECT_THAT(On("key", pki_.now()), HasSubstr("holds no private key"));
  ASSERT_THAT(WriteFileAtomically(remote_.cert, "nothing", 0644), IsOk());
  EXPECT_THAT(On("certificate", pki_.now()), HasSubstr("holds no certificate"));
  EXPECT_THAT(TrustDomainOf(remote_.cert),
              StatusIs(absl::StatusCode::kInvalidArgument));
  remote_.cert = "/nonexistent.pem";
  EXPECT_THAT(On("certificate", pki_.now()), HasSubstr("fail "));
}

}  // namespace
}  // namespace innkeeper
