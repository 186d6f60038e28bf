// A throwaway authority, and certificates that are wrong in one respect.
// Testonly.
#ifndef INNKEEPER_AUTH_TESTING_TEST_PKI_H_
#define INNKEEPER_AUTH_TESTING_TEST_PKI_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "auth/certificate_builder.h"
#include "auth/openssl.h"
#include "auth/tls_credentials.h"

namespace innkeeper {

inline constexpr absl::string_view kTestTrustDomain = "example.test";

// A certificate, who signed it, and its key, in PEM.
struct TestCertificate {
  std::string leaf_pem;
  std::string chain_pem;  // Leaf and intermediate.
  std::string key_pem;
};

// A root and its intermediates. Anything that fails aborts: a test cannot go
// on. Keys are made afresh for each object, so no two trust each other.
class TestPki {
 public:
  // Certificates are valid from one hour before `now`.
  explicit TestPki(absl::Time now = absl::Now());

  const std::string& ca_pem() const { return ca_pem_; }
  absl::Time now() const { return now_; }

  // A good template for "user/alice", "host/h1" ...
  CertificateTemplate Template(absl::string_view principal) const;
  // Valid for a day, by the authority of its kind.
  TestCertificate Issue(absl::string_view principal) const;
  // By the intermediate `authority`: "host", "service", "user"; or by "root",
  // without an intermediate. A null `key` is a fresh one.
  TestCertificate Issue(const CertificateTemplate& content,
                        absl::string_view authority,
                        EVP_PKEY* key = nullptr) const;
  // Signed by itself.
  TestCertificate SelfSigned(const CertificateTemplate& content) const;
  // By an intermediate that `adjust` made different from that of `authority`.
  TestCertificate IssueBy(
      const CertificateTemplate& content, absl::string_view authority,
      const std::function<void(CertificateTemplate*)>& adjust) const;
  // By an authority that the one of `authority` made below itself: under its
  // own name, which no path length counts, if `self_issued`.
  TestCertificate IssueBelow(const CertificateTemplate& content,
                             absl::string_view authority,
                             bool self_issued) const;

  // Writes DIR/{ca.pem,cert.pem,key.pem} for `certificate`. DIR is made.
  TlsFiles Write(const std::string& dir,
                 const TestCertificate& certificate) const;

 private:
  struct Authority {
    Ssl<X509> x509;
    Ssl<EVP_PKEY> key;
  };

  CertificateTemplate AuthorityTemplate(absl::string_view kind) const;
  static Authority MakeAuthority(const CertificateTemplate& content,
                                 const Authority* issuer);
  const Authority& Find(absl::string_view authority) const;

  absl::Time now_;
  Authority root_;
  Authority host_;
  Authority service_;
  Authority user_;
  std::string ca_pem_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AUTH_TESTING_TEST_PKI_H_
