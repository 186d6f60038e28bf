// Makes certificates. The only code that signs.
#ifndef INNKEEPER_AUTH_CERTIFICATE_BUILDER_H_
#define INNKEEPER_AUTH_CERTIFICATE_BUILDER_H_

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "auth/openssl.h"

namespace innkeeper {

// What a certificate is to say.
struct CertificateTemplate {
  std::string common_name;
  std::vector<std::string> uris;
  std::vector<std::string> dns_names;
  std::vector<std::string> ip_addresses;  // "192.0.2.1", "2001:db8::1".
  bool authority = false;                 // CA:TRUE
  std::optional<int> path_length;
  // In OpenSSL's words; empty leaves the extension out.
  std::string key_usage = "critical,digitalSignature";
  std::string extended_key_usage;
  absl::Time start_time;
  absl::Time expire_time;
  const EVP_MD* digest = EVP_sha256();  // Null for Ed25519.
  // Called last before signing, for what is not foreseen above.
  std::function<absl::Status(X509*)> adjust;
};

// A fresh key on P-256.
absl::StatusOr<Ssl<EVP_PKEY>> MakeKey();

// A certificate with a random serial number of 128 bits for `subject_key`,
// signed by `issuer_key`. A null `issuer` makes it self-signed.
// INVALID_ARGUMENT for an address that is none.
absl::StatusOr<Ssl<X509>> BuildCertificate(const CertificateTemplate& content,
                                           EVP_PKEY* subject_key, X509* issuer,
                                           EVP_PKEY* issuer_key);

absl::StatusOr<std::string> ToPem(X509* certificate);
// PKCS #8 without a passphrase.
absl::StatusOr<std::string> ToPem(EVP_PKEY* key);

}  // namespace innkeeper

#endif  // INNKEEPER_AUTH_CERTIFICATE_BUILDER_H_
