// OpenSSL's objects with owners, and its error queue as a status.
#ifndef INNKEEPER_AUTH_OPENSSL_H_
#define INNKEEPER_AUTH_OPENSSL_H_

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace innkeeper {

struct OpenSslDeleter {
  // Also every ASN1_INTEGER, ASN1_OCTET_STRING ...: they are one type.
  void operator()(ASN1_STRING* x) const { ASN1_STRING_free(x); }
  void operator()(BIGNUM* x) const { BN_free(x); }
  void operator()(BIO* x) const { BIO_free_all(x); }
  void operator()(EVP_PKEY* x) const { EVP_PKEY_free(x); }
  void operator()(EVP_PKEY_CTX* x) const { EVP_PKEY_CTX_free(x); }
  void operator()(GENERAL_NAMES* x) const { GENERAL_NAMES_free(x); }
  void operator()(SSL* x) const { SSL_free(x); }
  void operator()(SSL_CTX* x) const { SSL_CTX_free(x); }
  void operator()(STACK_OF(X509) * x) const { sk_X509_pop_free(x, X509_free); }
  void operator()(X509* x) const { X509_free(x); }
  void operator()(X509_EXTENSION* x) const { X509_EXTENSION_free(x); }
  void operator()(X509_REQ* x) const { X509_REQ_free(x); }
  void operator()(X509_STORE* x) const { X509_STORE_free(x); }
  void operator()(X509_STORE_CTX* x) const { X509_STORE_CTX_free(x); }
};

template <typename T>
using Ssl = std::unique_ptr<T, OpenSslDeleter>;

// INTERNAL with `what` and the first of OpenSSL's queued errors, which are
// cleared.
absl::Status OpenSslError(absl::string_view what);

// The certificates in `pem`, in order. Anything between the blocks is ignored,
// as it is everywhere. Input: untrusted. INVALID_ARGUMENT if there is none, one
// is malformed or longer than 16 KiB, or there are more than `limit`.
absl::StatusOr<std::vector<Ssl<X509>>> ParsePemCertificates(
    absl::string_view pem, size_t limit);

// One certificate in DER and nothing behind it, or one in PEM; at most 16 KiB.
// Input: untrusted. INVALID_ARGUMENT.
absl::StatusOr<Ssl<X509>> ParseOneCertificate(absl::string_view pem_or_der);

// An unencrypted private key. Never asks for a passphrase. INVALID_ARGUMENT.
absl::StatusOr<Ssl<EVP_PKEY>> ParsePrivateKey(absl::string_view pem);

// INVALID_ARGUMENT if `time` has no meaning.
absl::StatusOr<absl::Time> ToTime(const ASN1_TIME* time);

// SHA-256 of the DER form, in hex.
std::string Fingerprint(const X509& certificate);

// The serial number in lower-case hex without leading zeros.
std::string SerialNumber(const X509& certificate);

// The URIs among the subject's alternative names, byte for byte.
// INVALID_ARGUMENT if the extension is malformed or there twice.
absl::StatusOr<std::vector<std::string>> UriNames(const X509& certificate);

}  // namespace innkeeper

#endif  // INNKEEPER_AUTH_OPENSSL_H_
