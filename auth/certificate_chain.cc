#include "auth/certificate_chain.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "auth/certificate.h"
#include "auth/openssl.h"
#include "auth/principal.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/status_macros.h"

namespace innkeeper {
namespace {

absl::Status Refused(absl::string_view why) {
  return Error(absl::StatusCode::kPermissionDenied, reason::kCertificateRefused,
               absl::StrCat("the certificate is refused: ", why));
}

// `issuer` was signed by a trusted root, so its URI can be believed.
absl::Status CheckIssuer(const X509& issuer, const Principal& principal,
                         absl::string_view trust_domain) {
  const absl::StatusOr<std::vector<std::string>> uris = UriNames(issuer);
  const std::string wanted = absl::StrCat("spiffe://", trust_domain, "/ca/",
                                          AuthorityFor(principal.kind()));
  if (uris.ok() && uris->size() == 1 && uris->front() == wanted) {
    return absl::OkStatus();
  }
  return Refused(absl::StrCat("its issuer may not name ", principal.ToString(),
                              "; only ", wanted, " may"));
}

}  // namespace

absl::string_view AuthorityFor(PrincipalKind kind) {
  switch (kind) {
    case PrincipalKind::kHost:
    case PrincipalKind::kEnrol:
      return "host";
    case PrincipalKind::kServer:
    case PrincipalKind::kGateway:
    case PrincipalKind::kService:
      return "service";
    case PrincipalKind::kUser:
      return "user";
    case PrincipalKind::kLocal:
      return "";
  }
  return "";
}

absl::StatusOr<Certificate> VerifyChain(
    X509* leaf, const std::vector<Ssl<X509>>& intermediates,
    const std::vector<Ssl<X509>>& roots, absl::string_view trust_domain,
    TlsRole role, absl::Time now) {
  ASSIGN_OR_RETURN(Certificate certificate,
                   ReadCertificate(*leaf, trust_domain));
  RETURN_IF_ERROR(CheckUse(certificate, role, now));

  const Ssl<X509_STORE> store(X509_STORE_new());
  const Ssl<STACK_OF(X509)> untrusted(sk_X509_new_null());
  const Ssl<X509_STORE_CTX> context(X509_STORE_CTX_new());
  if (store == nullptr || untrusted == nullptr || context == nullptr) {
    return OpenSslError("verification could not be prepared");
  }
  for (const Ssl<X509>& root : roots) {
    X509_STORE_add_cert(store.get(), root.get());
  }
  for (const Ssl<X509>& intermediate : intermediates) {
    X509_up_ref(intermediate.get());
    sk_X509_push(untrusted.get(), intermediate.get());
  }
  if (X509_STORE_CTX_init(context.get(), store.get(), leaf, untrusted.get()) !=
      1) {
    return OpenSslError("verification could not be prepared");
  }
  X509_VERIFY_PARAM* param = X509_STORE_CTX_get0_param(context.get());
  // Besides the leaf and the root. One is allowed, more are told apart below.
  X509_VERIFY_PARAM_set_depth(param, 2);
  X509_VERIFY_PARAM_set_time(param, absl::ToTimeT(now));
  X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT);
  X509_VERIFY_PARAM_set_purpose(param, role == TlsRole::kClient
                                           ? X509_PURPOSE_SSL_CLIENT
                                           : X509_PURPOSE_SSL_SERVER);
  if (X509_verify_cert(context.get()) != 1) {
    const int error = X509_STORE_CTX_get_error(context.get());
    ERR_clear_error();
    return Refused(absl::StrCat("that of ", certificate.principal.ToString(),
                                " does not lead to a trusted authority: ",
                                X509_verify_cert_error_string(error)));
  }
  const STACK_OF(X509)* chain = X509_STORE_CTX_get0_chain(context.get());
  if (sk_X509_num(chain) != 3) {
    return Refused("its chain is not leaf, intermediate, root");
  }
  const X509& issuer = *sk_X509_value(chain, 1);
  RETURN_IF_ERROR(CheckStrength(issuer));
  RETURN_IF_ERROR(CheckIssuer(issuer, certificate.principal, trust_domain));
  return certificate;
}

}  // namespace innkeeper
