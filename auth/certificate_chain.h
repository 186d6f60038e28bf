// Whether a leaf leads to an authority that we trust for its kind.
//
// The hierarchy has three levels. A root signs intermediates, each of which
// says by its own URI spiffe://TRUST_DOMAIN/ca/KIND what it may issue:
//   ca/host     host, enrol
//   ca/service  server, gateway, service
//   ca/user     user
// so that whoever holds the key of one can make no name of another.
#ifndef INNKEEPER_AUTH_CERTIFICATE_CHAIN_H_
#define INNKEEPER_AUTH_CERTIFICATE_CHAIN_H_

#include <openssl/x509.h>

#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "auth/certificate.h"
#include "auth/openssl.h"
#include "auth/principal.h"

namespace innkeeper {

// The authority that issues `kind`: "host", "service" or "user". Empty for
// kLocal.
absl::string_view AuthorityFor(PrincipalKind kind);

// Verifies `leaf`, helped by `intermediates` (untrusted; may also hold the leaf
// or nothing useful), against `roots` at `now`. Signatures, times, CA:TRUE,
// path lengths and purposes are OpenSSL's to check; the shape of the leaf
// ParseCertificate's; then the chain must be leaf, one intermediate, root, and
// the intermediate must be the authority for the leaf's kind.
//
// PERMISSION_DENIED (CERTIFICATE_REFUSED), with the reason.
absl::StatusOr<Certificate> VerifyChain(
    X509* leaf, const std::vector<Ssl<X509>>& intermediates,
    const std::vector<Ssl<X509>>& roots, absl::string_view trust_domain,
    TlsRole role, absl::Time now);

}  // namespace innkeeper

#endif  // INNKEEPER_AUTH_CERTIFICATE_CHAIN_H_
