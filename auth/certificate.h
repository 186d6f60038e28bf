// What a peer's own certificate must look like, and what it says.
#ifndef INNKEEPER_AUTH_CERTIFICATE_H_
#define INNKEEPER_AUTH_CERTIFICATE_H_

#include <openssl/x509.h>

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "auth/principal.h"

namespace innkeeper {

// The side of a connection that somebody is on.
enum class TlsRole { kClient, kServer };

// What a certificate says. A value.
struct Certificate {
  Principal principal;
  std::string fingerprint;    // SHA-256 of the DER form, in hex.
  std::string serial_number;  // In hex, without leading zeros.
  absl::Time start_time;
  absl::Time expire_time;
  bool for_client = false;  // May be used on this side of a connection.
  bool for_server = false;
};

// Reads a leaf. Input: untrusted. PERMISSION_DENIED (CERTIFICATE_REFUSED), with
// what is wrong, unless
//  - it is one X.509 version 3 certificate of at most 16 KiB (INVALID_ARGUMENT
//    for what is none),
//  - it has exactly one URI among its alternative names, of at most 2,048
//    bytes, which names a principal of `trust_domain`; other kinds of names and
//    the subject mean nothing,
//  - no extension is there twice, malformed, or critical and unknown,
//  - it is no authority: no CA:TRUE, a keyUsage with digitalSignature and
//    without keyCertSign and cRLSign,
//  - an extendedKeyUsage names clientAuth or serverAuth,
//  - its key is Ed25519, ECDSA on P-256, P-384 or P-521, or RSA of 2,048 bits
//    or more, and its signature uses SHA-2 or Ed25519.
// Does not look at the time, nor at who signed it.
absl::StatusOr<Certificate> ParseCertificate(absl::string_view pem_or_der,
                                             absl::string_view trust_domain);
absl::StatusOr<Certificate> ReadCertificate(const X509& x509,
                                            absl::string_view trust_domain);

// PERMISSION_DENIED unless `certificate` is valid at `now` for `role`.
absl::Status CheckUse(const Certificate& certificate, TlsRole role,
                      absl::Time now);

// PERMISSION_DENIED if the key or signature of `x509` is too weak, as above.
absl::Status CheckStrength(const X509& x509);

}  // namespace innkeeper

#endif  // INNKEEPER_AUTH_CERTIFICATE_H_
