#include "auth/enrolment_token.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "auth/certificate.h"
#include "auth/certificate_builder.h"
#include "auth/certificate_chain.h"
#include "auth/enrolment_token.pb.h"
#include "auth/openssl.h"
#include "auth/principal.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/status_macros.h"

namespace innkeeper {
namespace {

constexpr absl::string_view kPrefix = "inn1.";
// Of SHA-256, behind the content: tells a slip in copying from a refusal.
constexpr size_t kChecksumBytes = 8;
constexpr size_t kMaxTextBytes = size_t{16} * 1024;
constexpr size_t kMaxAddressBytes = 259;  // A DNS name, a colon, a port.
constexpr int kMaxAddresses = 8;

absl::Status Refused(absl::string_view why) {
  return Error(absl::StatusCode::kInvalidArgument,
               reason::kEnrolmentTokenRefused,
               absl::StrCat("the enrolment token is refused: ", why,
                            "; copy it again or ask for a new one"));
}

bool IsAddress(absl::string_view address) {
  if (address.size() > kMaxAddressBytes) return false;
  const size_t colon = address.rfind(':');
  if (colon == absl::string_view::npos || colon == 0) return false;
  for (const char c : address.substr(0, colon)) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '.' &&
        c != '-' && c != ':' && c != '[' && c != ']') {
      return false;
    }
  }
  const absl::string_view digits = address.substr(colon + 1);
  uint32_t port = 0;
  return absl::SimpleAtoi(digits, &port) && port > 0 && port < 65536 &&
         absl::StrCat(port) == digits;
}

absl::StatusOr<std::string> ToDer(X509* x509) {
  uint8_t* bytes = nullptr;
  const int size = i2d_X509(x509, &bytes);
  if (size <= 0) return OpenSslError("the certificate cannot be written");
  std::string der(reinterpret_cast<const char*>(bytes), size);
  OPENSSL_free(bytes);
  return der;
}

absl::StatusOr<std::string> ToDer(EVP_PKEY* key) {
  PKCS8_PRIV_KEY_INFO* info = EVP_PKEY2PKCS8(key);
  uint8_t* bytes = nullptr;
  const int size = info == nullptr ? 0 : i2d_PKCS8_PRIV_KEY_INFO(info, &bytes);
  PKCS8_PRIV_KEY_INFO_free(info);
  if (size <= 0) return OpenSslError("the key cannot be written");
  std::string der(reinterpret_cast<const char*>(bytes), size);
  OPENSSL_clear_free(bytes, size);
  return der;
}

absl::StatusOr<Ssl<EVP_PKEY>> KeyFromDer(absl::string_view der) {
  const auto* at = reinterpret_cast<const uint8_t*>(der.data());
  const uint8_t* end = at;
  PKCS8_PRIV_KEY_INFO* info =
      d2i_PKCS8_PRIV_KEY_INFO(nullptr, &end, static_cast<long>(der.size()));
  Ssl<EVP_PKEY> key(info == nullptr ? nullptr : EVP_PKCS82PKEY(info));
  PKCS8_PRIV_KEY_INFO_free(info);
  if (key == nullptr || end != at + der.size()) {
    return Refused("its key is malformed");
  }
  return key;
}

std::string Checksum(absl::string_view content) {
  uint8_t digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const uint8_t*>(content.data()), content.size(),
         digest);
  return std::string(reinterpret_cast<const char*>(digest), kChecksumBytes);
}

// The message in `encoded`, which has one form only.
absl::StatusOr<auth::v1::EnrolmentToken> Decode(absl::string_view encoded) {
  std::string bytes;
  if (!absl::WebSafeBase64Unescape(encoded, &bytes) ||
      absl::WebSafeBase64Escape(bytes) != encoded ||
      bytes.size() < kChecksumBytes) {
    return Refused("it is not inn1. and base64url");
  }
  const std::string content = bytes.substr(0, bytes.size() - kChecksumBytes);
  if (Checksum(content) != bytes.substr(content.size())) {
    return Refused("a part of it is missing or altered");
  }
  auth::v1::EnrolmentToken message;
  if (!message.ParseFromString(content)) {
    return Refused("its content is malformed");
  }
  // Unknown fields would otherwise come back out as they went in.
  message.DiscardUnknownFields();
  if (message.SerializeAsString() != content) {
    return Refused("its content is not in canonical form");
  }
  return message;
}

// What must hold of the parts, wherever they come from.
absl::Status CheckShape(const auth::v1::EnrolmentToken& message) {
  if (message.addresses_size() < 1 ||
      message.addresses_size() > kMaxAddresses) {
    return Refused("it has no address or too many");
  }
  for (const std::string& address : message.addresses()) {
    if (!IsAddress(address)) return Refused("an address is not HOST:PORT");
  }
  if (!IsTrustDomain(message.trust_domain())) {
    return Refused("its trust domain is malformed");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> FormatEnrolmentToken(const EnrolmentToken& token) {
  auth::v1::EnrolmentToken message;
  for (const std::string& address : token.addresses) {
    message.add_addresses(address);
  }
  message.set_trust_domain(token.trust_domain);
  RETURN_IF_ERROR(CheckShape(message));
  ASSIGN_OR_RETURN(const std::vector<Ssl<X509>> roots,
                   ParsePemCertificates(token.ca_pem, 1));
  ASSIGN_OR_RETURN(const std::vector<Ssl<X509>> chain,
                   ParsePemCertificates(token.chain_pem, 2));
  if (chain.size() != 2) return Refused("its chain is not leaf and issuer");
  ASSIGN_OR_RETURN(const Ssl<EVP_PKEY> key, ParsePrivateKey(token.key_pem));
  ASSIGN_OR_RETURN(*message.mutable_root(), ToDer(roots[0].get()));
  ASSIGN_OR_RETURN(*message.mutable_certificate(), ToDer(chain[0].get()));
  ASSIGN_OR_RETURN(*message.mutable_issuer(), ToDer(chain[1].get()));
  ASSIGN_OR_RETURN(*message.mutable_key(), ToDer(key.get()));
  const std::string content = message.SerializeAsString();
  return absl::StrCat(kPrefix,
                      absl::WebSafeBase64Escape(content + Checksum(content)));
}

absl::StatusOr<EnrolmentToken> ParseEnrolmentToken(absl::string_view text,
                                                   absl::Time now) {
  if (text.size() > kMaxTextBytes) return Refused("it is too long");
  absl::string_view encoded = text;
  if (!absl::ConsumePrefix(&encoded, kPrefix)) {
    return Refused("it does not begin with inn1.");
  }
  ASSIGN_OR_RETURN(const auth::v1::EnrolmentToken message, Decode(encoded));
  RETURN_IF_ERROR(CheckShape(message));

  std::vector<Ssl<X509>> roots(1);
  std::vector<Ssl<X509>> issuers(1);
  ASSIGN_OR_RETURN(roots[0], ParseOneCertificate(message.root()));
  ASSIGN_OR_RETURN(issuers[0], ParseOneCertificate(message.issuer()));
  ASSIGN_OR_RETURN(const Ssl<X509> leaf,
                   ParseOneCertificate(message.certificate()));
  ASSIGN_OR_RETURN(const Ssl<EVP_PKEY> key, KeyFromDer(message.key()));
  if (X509_check_private_key(leaf.get(), key.get()) != 1) {
    return Refused("its key does not go with its certificate");
  }
  ASSIGN_OR_RETURN(const Certificate certificate,
                   VerifyChain(leaf.get(), issuers, roots,
                               message.trust_domain(), TlsRole::kClient, now));
  if (certificate.principal.kind() != PrincipalKind::kEnrol) {
    return Refused("its certificate is not for enrolment");
  }

  EnrolmentToken token;
  token.addresses.assign(message.addresses().begin(),
                         message.addresses().end());
  token.trust_domain = message.trust_domain();
  ASSIGN_OR_RETURN(token.ca_pem, ToPem(roots[0].get()));
  ASSIGN_OR_RETURN(const std::string leaf_pem, ToPem(leaf.get()));
  ASSIGN_OR_RETURN(const std::string issuer_pem, ToPem(issuers[0].get()));
  token.chain_pem = leaf_pem + issuer_pem;
  ASSIGN_OR_RETURN(token.key_pem, ToPem(key.get()));
  return token;
}

}  // namespace innkeeper
