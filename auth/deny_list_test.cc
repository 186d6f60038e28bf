#include "auth/deny_list.h"

#include <unistd.h>

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "auth/certificate.h"
#include "auth/testing/test_pki.h"
#include "base/file.h"
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

TEST(DenyListTest, EachKindOfEntryRevokes) {
  const TestCertificate made = Pki().Issue("user/alice");
  const Certificate certificate =
      *ParseCertificate(made.leaf_pem, kTestTrustDomain);
  const std::string path = TempPath("deny");
  const DenyList list(path);
  for (const std::string& entry :
       {absl::StrCat("sha256:", certificate.fingerprint),
        absl::StrCat("serial:", certificate.serial_number),
        std::string("principal:user/alice")}) {
    ASSERT_THAT(WriteFileAtomically(path, "# nobody\n\n", 0600), IsOk());
    EXPECT_THAT(list.Check(certificate), IsOk());
    ASSERT_THAT(WriteFileAtomically(path, entry + "\n", 0600), IsOk());
    EXPECT_THAT(list.Check(certificate),
                StatusIs(StatusCode::kPermissionDenied, HasSubstr("revoked")));
  }
  unlink(path.c_str());
}

TEST(DenyListTest, AListThatCannotBeUsedAdmitsNobody) {
  const Certificate certificate =
      *ParseCertificate(Pki().Issue("user/bob").leaf_pem, kTestTrustDomain);
  const std::string path = TempPath("deny-bad");
  const DenyList list(path);
  EXPECT_THAT(list.Check(certificate), StatusIs(StatusCode::kUnavailable));
  ASSERT_THAT(WriteFileAtomically(path, "", 0600), IsOk());
  EXPECT_THAT(list.Check(certificate), IsOk());
  for (const std::string content :
       {"user/alice", "sha256:ab", "serial:0A", "serial:01", "principal:x",
        "sha1:aa", "principal:user/x trailing"}) {
    ASSERT_THAT(WriteFileAtomically(path, content, 0600), IsOk());
    EXPECT_THAT(list.Check(certificate), StatusIs(StatusCode::kUnavailable))
        << content;
    EXPECT_THAT(list.Ready(),
                StatusIs(StatusCode::kUnavailable, HasSubstr("line 1")));
  }
  unlink(path.c_str());
  EXPECT_THAT(list.Check(certificate), StatusIs(StatusCode::kUnavailable));
}

TEST(DenyListTest, WithoutAPathNobodyIsDenied) {
  const Certificate certificate =
      *ParseCertificate(Pki().Issue("user/bob").leaf_pem, kTestTrustDomain);
  EXPECT_THAT(DenyList("").Check(certificate), IsOk());
}

}  // namespace
}  // namespace innkeeper
