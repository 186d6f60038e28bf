#include "auth/certificate.h"

#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "auth/openssl.h"
#include "auth/principal.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/status_macros.h"

namespace innkeeper {
namespace {

constexpr size_t kMaxUriBytes = 2048;
constexpr int kMaxExtensions = 32;
constexpr int kMinRsaBits = 2048;

absl::Status Refused(absl::string_view why) {
  return Error(absl::StatusCode::kPermissionDenied, reason::kCertificateRefused,
               absl::StrCat("the certificate is refused: ", why));
}

absl::Status CheckExtensions(const X509& x509) {
  const int count = X509_get_ext_count(&x509);
  if (count > kMaxExtensions) return Refused("it has too many extensions");
  std::set<std::string> seen;
  for (int i = 0; i < count; ++i) {
    char oid[128];
    OBJ_obj2txt(oid, sizeof(oid),
                X509_EXTENSION_get_object(X509_get_ext(&x509, i)), 1);
    if (!seen.insert(oid).second) {
      return Refused(absl::StrCat("extension ", oid, " is there twice"));
    }
  }
  return absl::OkStatus();
}

// OpenSSL caches what it finds in the extensions inside the certificate, hence
// its interfaces that are not const.
absl::Status CheckPurpose(X509* x509) {
  const uint32_t flags = X509_get_extension_flags(x509);
  if (flags & EXFLAG_INVALID) return Refused("an extension is malformed");
  if (flags & EXFLAG_CRITICAL) {
    return Refused("it has a critical extension that is not understood");
  }
  if (flags & EXFLAG_CA) return Refused("it is an authority (CA:TRUE)");
  if (flags & EXFLAG_PROXY) return Refused("it is a proxy certificate");
  if (!(flags & EXFLAG_KUSAGE)) return Refused("it has no keyUsage");
  const uint32_t usage = X509_get_key_usage(x509);
  if (!(usage & KU_DIGITAL_SIGNATURE)) {
    return Refused("its keyUsage lacks digitalSignature");
  }
  if (usage & (KU_KEY_CERT_SIGN | KU_CRL_SIGN)) {
    return Refused("its keyUsage is that of an authority");
  }
  if (!(flags & EXFLAG_XKUSAGE)) return Refused("it has no extendedKeyUsage");
  if (!(X509_get_extended_key_usage(x509) &
        (XKU_SSL_CLIENT | XKU_SSL_SERVER))) {
    return Refused(
        "its extendedKeyUsage names neither clientAuth nor serverAuth");
  }
  return absl::OkStatus();
}

absl::Status CheckCurve(EVP_PKEY* key) {
  char name[64] = "";
  size_t size = 0;
  if (EVP_PKEY_get_group_name(key, name, sizeof(name), &size) == 1) {
    const int curve = OBJ_txt2nid(name);
    if (curve == NID_X9_62_prime256v1 || curve == NID_secp384r1 ||
        curve == NID_secp521r1) {
      return absl::OkStatus();
    }
  }
  return Refused(
      absl::StrCat("its curve '", name, "' is none of P-256, P-384 and P-521"));
}

}  // namespace

absl::Status CheckStrength(const X509& x509) {
  EVP_PKEY* key = X509_get0_pubkey(&x509);
  if (key == nullptr) return Refused("its key is malformed or unknown");
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_ED25519:
      break;
    case EVP_PKEY_EC:
      RETURN_IF_ERROR(CheckCurve(key));
      break;
    case EVP_PKEY_RSA:
      if (EVP_PKEY_get_bits(key) < kMinRsaBits) {
        return Refused("its RSA key has less than 2,048 bits");
      }
      break;
    default:
      return Refused("its key is none of Ed25519, ECDSA and RSA");
  }
  switch (X509_get_signature_nid(&x509)) {
    case NID_ED25519:
    case NID_ecdsa_with_SHA256:
    case NID_ecdsa_with_SHA384:
    case NID_ecdsa_with_SHA512:
    case NID_sha256WithRSAEncryption:
    case NID_sha384WithRSAEncryption:
    case NID_sha512WithRSAEncryption:
      return absl::OkStatus();
    default:
      return Refused("its signature uses neither SHA-2 nor Ed25519");
  }
}

absl::StatusOr<Certificate> ReadCertificate(const X509& x509,
                                            absl::string_view trust_domain) {
  if (X509_get_version(&x509) != X509_VERSION_3) {
    return Refused("it is not of version 3");
  }
  RETURN_IF_ERROR(CheckExtensions(x509));
  X509* mutable_x509 = const_cast<X509*>(&x509);
  RETURN_IF_ERROR(CheckPurpose(mutable_x509));
  RETURN_IF_ERROR(CheckStrength(x509));

  const absl::StatusOr<std::vector<std::string>> uris = UriNames(x509);
  if (!uris.ok()) return Refused(uris.status().message());
  if (uris->size() != 1) {
    return Refused(absl::StrCat("it has ", uris->size(),
                                " URIs as alternative names and must have "
                                "exactly one"));
  }
  if (uris->front().size() > kMaxUriBytes) {
    return Refused("its URI is too long");
  }
  const absl::StatusOr<Principal> principal =
      Principal::FromSpiffeId(uris->front(), trust_domain);
  if (!principal.ok()) return Refused(principal.status().message());

  const absl::StatusOr<absl::Time> start = ToTime(X509_get0_notBefore(&x509));
  if (!start.ok()) return Refused(start.status().message());
  const absl::StatusOr<absl::Time> end = ToTime(X509_get0_notAfter(&x509));
  if (!end.ok()) return Refused(end.status().message());
  const uint32_t usage = X509_get_extended_key_usage(mutable_x509);
  return Certificate{*principal,
                     Fingerprint(x509),
                     SerialNumber(x509),
                     *start,
                     *end,
                     (usage & XKU_SSL_CLIENT) != 0,
                     (usage & XKU_SSL_SERVER) != 0};
}

absl::StatusOr<Certificate> ParseCertificate(absl::string_view pem_or_der,
                                             absl::string_view trust_domain) {
  ASSIGN_OR_RETURN(const Ssl<X509> x509, ParseOneCertificate(pem_or_der));
  return ReadCertificate(*x509, trust_domain);
}

absl::Status CheckUse(const Certificate& certificate, TlsRole role,
                      absl::Time now) {
  if (now < certificate.start_time) {
    return Refused(absl::StrCat(
        "that of ", certificate.principal.ToString(), " is valid only from ",
        absl::FormatTime(certificate.start_time, absl::UTCTimeZone()),
        "; is the clock right?"));
  }
  if (now >= certificate.expire_time) {
    return Refused(absl::StrCat(
        "that of ", certificate.principal.ToString(), " expired at ",
        absl::FormatTime(certificate.expire_time, absl::UTCTimeZone()),
        "; have a new one issued"));
  }
  const bool allowed = role == TlsRole::kClient ? certificate.for_client
                                                : certificate.for_server;
  if (allowed) return absl::OkStatus();
  return Refused(absl::StrCat(
      "that of ", certificate.principal.ToString(), " is not for ",
      role == TlsRole::kClient ? "clients" : "servers", " (extendedKeyUsage)"));
}

}  // namespace innkeeper
