#include "auth/testing/test_pki.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "auth/certificate_builder.h"
#include "auth/certificate_chain.h"
#include "auth/openssl.h"
#include "auth/principal.h"
#include "auth/tls_credentials.h"
#include "base/file.h"

namespace innkeeper {
namespace {

void Check(const absl::Status& status) {
  if (status.ok()) return;
  fprintf(stderr, "TestPki: %s\n", status.ToString().c_str());
  abort();
}

template <typename T>
T Value(absl::StatusOr<T> value) {
  Check(value.status());
  return *std::move(value);
}

}  // namespace

TestPki::TestPki(absl::Time now) : now_(now) {
  CertificateTemplate root = AuthorityTemplate("root");
  root.uris.clear();
  root.path_length.reset();
  root_ = MakeAuthority(root, nullptr);
  host_ = MakeAuthority(AuthorityTemplate("host"), &root_);
  service_ = MakeAuthority(AuthorityTemplate("service"), &root_);
  user_ = MakeAuthority(AuthorityTemplate("user"), &root_);
  ca_pem_ = Value(ToPem(root_.x509.get()));
}

CertificateTemplate TestPki::Template(absl::string_view principal) const {
  CertificateTemplate content;
  content.common_name = std::string(principal);
  content.uris = {absl::StrCat("spiffe://", kTestTrustDomain, "/", principal)};
  const bool listens = absl::StartsWith(principal, "host/") ||
                       absl::StartsWith(principal, "server/") ||
                       absl::StartsWith(principal, "gateway/");
  content.extended_key_usage = listens ? "clientAuth,serverAuth" : "clientAuth";
  content.start_time = now_ - absl::Hours(1);
  content.expire_time = now_ + absl::Hours(24);
  return content;
}

TestCertificate TestPki::Issue(absl::string_view principal) const {
  return Issue(Template(principal),
               AuthorityFor(Value(Principal::Parse(principal)).kind()));
}

TestCertificate TestPki::Issue(const CertificateTemplate& content,
                               absl::string_view authority,
                               EVP_PKEY* key) const {
  Ssl<EVP_PKEY> fresh;
  if (key == nullptr) {
    fresh = Value(MakeKey());
    key = fresh.get();
  }
  const Authority& issuer = Find(authority);
  const Ssl<X509> x509 = Value(
      BuildCertificate(content, key, issuer.x509.get(), issuer.key.get()));
  TestCertificate made;
  made.leaf_pem = Value(ToPem(x509.get()));
  made.chain_pem = made.leaf_pem;
  if (&issuer != &root_) made.chain_pem += Value(ToPem(issuer.x509.get()));
  made.key_pem = Value(ToPem(key));
  return made;
}

TestCertificate TestPki::SelfSigned(const CertificateTemplate& content) const {
  const Ssl<EVP_PKEY> key = Value(MakeKey());
  const Ssl<X509> x509 =
      Value(BuildCertificate(content, key.get(), nullptr, key.get()));
  const std::string pem = Value(ToPem(x509.get()));
  return TestCertificate{pem, pem, Value(ToPem(key.get()))};
}

TestCertificate TestPki::IssueBy(
    const CertificateTemplate& content, absl::string_view authority,
    const std::function<void(CertificateTemplate*)>& adjust) const {
  CertificateTemplate different = AuthorityTemplate(authority);
  adjust(&different);
  const Authority issuer = MakeAuthority(different, &root_);
  const Ssl<EVP_PKEY> key = Value(MakeKey());
  const Ssl<X509> x509 = Value(BuildCertificate(
      content, key.get(), issuer.x509.get(), issuer.key.get()));
  const std::string pem = Value(ToPem(x509.get()));
  return TestCertificate{pem, pem + Value(ToPem(issuer.x509.get())),
                         Value(ToPem(key.get()))};
}

TestCertificate TestPki::IssueBelow(const CertificateTemplate& content,
                                    absl::string_view authority,
                                    bool self_issued) const {
  const Authority& middle = Find(authority);
  CertificateTemplate below = AuthorityTemplate(authority);
  if (!self_issued) below.common_name += " below";
  const Authority issuer = MakeAuthority(below, &middle);
  const Ssl<EVP_PKEY> key = Value(MakeKey());
  const Ssl<X509> x509 = Value(BuildCertificate(
      content, key.get(), issuer.x509.get(), issuer.key.get()));
  const std::string pem = Value(ToPem(x509.get()));
  return TestCertificate{pem,
                         absl::StrCat(pem, Value(ToPem(issuer.x509.get())),
                                      Value(ToPem(middle.x509.get()))),
                         Value(ToPem(key.get()))};
}

TlsFiles TestPki::Write(const std::string& dir,
                        const TestCertificate& certificate) const {
  if (mkdir(dir.c_str(), 0700) != 0 && errno != EEXIST) {
    Check(absl::InternalError(absl::StrCat("mkdir ", dir)));
  }
  TlsFiles files{std::string(kTestTrustDomain), dir + "/ca.pem",
                 dir + "/cert.pem", dir + "/key.pem"};
  Check(WriteFileAtomically(files.ca_path, ca_pem_, 0644));
  Check(
      WriteFileAtomically(files.certificate_path, certificate.chain_pem, 0644));
  Check(WriteFileAtomically(files.key_path, certificate.key_pem, 0600));
  return files;
}

CertificateTemplate TestPki::AuthorityTemplate(absl::string_view kind) const {
  CertificateTemplate content;
  content.common_name = absl::StrCat("Test ", kind, " CA");
  content.uris = {absl::StrCat("spiffe://", kTestTrustDomain, "/ca/", kind)};
  content.authority = true;
  content.path_length = 0;
  content.key_usage = "critical,keyCertSign,cRLSign";
  content.start_time = now_ - absl::Hours(1);
  content.expire_time = now_ + absl::Hours(48);
  return content;
}

TestPki::Authority TestPki::MakeAuthority(const CertificateTemplate& content,
                                          const Authority* issuer) {
  Authority authority;
  authority.key = Value(MakeKey());
  authority.x509 = Value(BuildCertificate(
      content, authority.key.get(), issuer ? issuer->x509.get() : nullptr,
      issuer ? issuer->key.get() : authority.key.get()));
  return authority;
}

const TestPki::Authority& TestPki::Find(absl::string_view authority) const {
  if (authority == "root") return root_;
  if (authority == "host") return host_;
  if (authority == "service") return service_;
  return user_;
}

}  // namespace innkeeper
