#include "auth/tls_credentials.h"

#include <grpc/grpc_security_constants.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <openssl/x509.h>
#include <sys/stat.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "auth/certificate.h"
#include "auth/certificate_chain.h"
#include "auth/certificate_verifier.h"
#include "auth/openssl.h"
#include "base/error.h"
#include "base/file.h"
#include "base/reason.h"
#include "base/status_macros.h"

namespace innkeeper {
namespace {

constexpr unsigned kRefreshSeconds = 1;
constexpr size_t kMaxFileBytes = 1 << 20;

std::shared_ptr<grpc::experimental::CertificateProviderInterface> Provider(
    const TlsFiles& files) {
  return std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
      files.key_path, files.certificate_path, files.ca_path, kRefreshSeconds);
}

std::shared_ptr<grpc::experimental::CertificateVerifier> Verifier(
    const TlsOptions& options, TlsRole peer_role) {
  CertificateVerifierOptions verifier;
  verifier.trust_domain = options.files.trust_domain;
  verifier.ca_path = options.files.ca_path;
  verifier.peer_role = peer_role;
  verifier.expected = options.expected;
  verifier.deny_list = options.deny_list;
  verifier.clock = options.clock;
  return CertificateVerifier::Make(std::move(verifier));
}

absl::Status Unusable(const std::string& path, absl::string_view why,
                      absl::string_view way_out) {
  return Error(
             absl::StatusCode::kFailedPrecondition, reason::kConfigInvalid,
             absl::StrCat("'", path, "' cannot be used: ", why, "; ", way_out))
      .With("path", path);
}

absl::StatusOr<std::string> ReadPem(const std::string& path) {
  absl::StatusOr<std::string> content = ReadFile(path, kMaxFileBytes);
  if (content.ok()) return content;
  return Unusable(path, content.status().message(),
                  "check the path and who may read it, or have the file "
                  "issued ('inn pki issue')");
}

absl::Status CheckSecret(const std::string& path) {
  struct stat file = {};
  if (stat(path.c_str(), &file) == 0 && (file.st_mode & S_IRWXO) != 0) {
    return Unusable(path, "everybody on this machine has access to the key",
                    absl::StrCat("take it away with 'chmod o= ", path,
                                 "' and have a new one issued if others were "
                                 "here"));
  }
  return absl::OkStatus();
}

}  // namespace

std::shared_ptr<grpc::ServerCredentials> MakeServerCredentials(
    const TlsOptions& options) {
  grpc::experimental::TlsServerCredentialsOptions tls(Provider(options.files));
  tls.watch_root_certs();
  tls.watch_identity_key_cert_pairs();
  tls.set_cert_request_type(
      GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  tls.set_certificate_verifier(Verifier(options, TlsRole::kClient));
  return grpc::experimental::TlsServerCredentials(tls);
}

std::shared_ptr<grpc::ChannelCredentials> MakeChannelCredentials(
    const TlsOptions& options) {
  grpc::experimental::TlsChannelCredentialsOptions tls;
  tls.set_certificate_provider(Provider(options.files));
  tls.watch_root_certs();
  tls.watch_identity_key_cert_pairs();
  tls.set_certificate_verifier(Verifier(options, TlsRole::kServer));
  // Our verifier compares principals; names of hosts prove nothing.
  tls.set_check_call_host(false);
  return grpc::experimental::TlsCredentials(tls);
}

absl::StatusOr<Certificate> CheckTlsFiles(const TlsFiles& files, TlsRole role,
                                          absl::Time now) {
  ASSIGN_OR_RETURN(const std::string ca_pem, ReadPem(files.ca_path));
  ASSIGN_OR_RETURN(const std::string chain_pem,
                   ReadPem(files.certificate_path));
  ASSIGN_OR_RETURN(const std::string key_pem, ReadPem(files.key_path));
  RETURN_IF_ERROR(CheckSecret(files.key_path));

  const absl::StatusOr<std::vector<Ssl<X509>>> roots = ParseRoots(ca_pem);
  if (!roots.ok()) {
    return Unusable(files.ca_path, roots.status().message(),
                    "it must hold the roots in PEM: copy ca.pem again");
  }
  const absl::StatusOr<std::vector<Ssl<X509>>> chain =
      ParsePemCertificates(chain_pem, 3);
  if (!chain.ok()) {
    return Unusable(files.certificate_path, chain.status().message(),
                    "it must hold the certificate and then its intermediate, "
                    "in PEM");
  }
  const absl::StatusOr<Ssl<EVP_PKEY>> key = ParsePrivateKey(key_pem);
  if (!key.ok()) {
    return Unusable(files.key_path, key.status().message(),
                    "it must hold one private key in PEM");
  }
  X509* const leaf = chain->front().get();
  if (X509_check_private_key(leaf, key->get()) != 1) {
    OpenSslError("").IgnoreError();
    return Unusable(
        files.key_path,
        absl::StrCat("it is not the key of '", files.certificate_path, "'"),
        "put the pair in place that was issued together");
  }
  absl::StatusOr<Certificate> certificate =
      VerifyChain(leaf, *chain, *roots, files.trust_domain, role, now);
  if (certificate.ok()) return certificate;
  return Unusable(
      files.certificate_path, certificate.status().message(),
      absl::StrCat("have one issued by an authority in '", files.ca_path,
                   "' for trust domain '", files.trust_domain, "'"));
}

}  // namespace innkeeper
