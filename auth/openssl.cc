#include "auth/openssl.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <cstdint>
#include <ctime>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/error.h"
#include "base/reason.h"

namespace innkeeper {
namespace {

// Ours have less than 1 KiB; this leaves room for those of other authorities.
constexpr size_t kMaxCertificateBytes = size_t{16} * 1024;
constexpr absl::string_view kPemMark = "-----BEGIN CERTIFICATE-----";

absl::Status Refused(absl::string_view what) {
  ERR_clear_error();
  return Error(absl::StatusCode::kInvalidArgument, reason::kCertificateRefused,
               what);
}

Ssl<BIO> ReadOnlyBio(absl::string_view bytes) {
  return Ssl<BIO>(
      BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
}

// Answers every question for a passphrase with none, or OpenSSL would ask the
// terminal.
int NoPassphrase(char*, int, int, void*) { return -1; }

}  // namespace

absl::Status OpenSslError(absl::string_view what) {
  char text[256] = "no details";
  const uint64_t code = ERR_get_error();
  if (code != 0) ERR_error_string_n(code, text, sizeof(text));
  ERR_clear_error();
  return Error(absl::StatusCode::kInternal, reason::kInternal,
               absl::StrCat(what, ": ", text));
}

absl::StatusOr<std::vector<Ssl<X509>>> ParsePemCertificates(
    absl::string_view pem, size_t limit) {
  if (pem.size() > (limit + 1) * 2 * kMaxCertificateBytes) {
    return Refused("the certificates are too long");
  }
  const Ssl<BIO> bio = ReadOnlyBio(pem);
  std::vector<Ssl<X509>> certificates;
  while (true) {
    Ssl<X509> certificate(
        PEM_read_bio_X509(bio.get(), nullptr, NoPassphrase, nullptr));
    if (certificate == nullptr) {
      const uint64_t error = ERR_peek_last_error();
      const bool at_end = ERR_GET_LIB(error) == ERR_LIB_PEM &&
                          ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
      ERR_clear_error();
      if (!at_end) return Refused("a certificate is malformed");
      break;
    }
    if (certificates.size() == limit) return Refused("too many certificates");
    if (i2d_X509(certificate.get(), nullptr) >
        static_cast<int>(kMaxCertificateBytes)) {
      return Refused("a certificate is too long");
    }
    certificates.push_back(std::move(certificate));
  }
  if (certificates.empty()) return Refused("there is no certificate");
  return certificates;
}

absl::StatusOr<Ssl<X509>> ParseOneCertificate(absl::string_view pem_or_der) {
  if (absl::StrContains(pem_or_der, kPemMark)) {
    absl::StatusOr<std::vector<Ssl<X509>>> parsed =
        ParsePemCertificates(pem_or_der, 1);
    if (!parsed.ok()) return parsed.status();
    return std::move(parsed->front());
  }
  if (pem_or_der.size() > kMaxCertificateBytes) {
    return Refused("the certificate is too long");
  }
  const auto* begin = reinterpret_cast<const uint8_t*>(pem_or_der.data());
  const uint8_t* end = begin;
  Ssl<X509> certificate(
      d2i_X509(nullptr, &end, static_cast<long>(pem_or_der.size())));
  if (certificate == nullptr || end != begin + pem_or_der.size()) {
    return Refused("the certificate is malformed");
  }
  return certificate;
}

absl::StatusOr<Ssl<EVP_PKEY>> ParsePrivateKey(absl::string_view pem) {
  if (pem.size() > kMaxCertificateBytes) {
    return Refused("the private key is too long");
  }
  const Ssl<BIO> bio = ReadOnlyBio(pem);
  Ssl<EVP_PKEY> key(
      PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassphrase, nullptr));
  if (key == nullptr) {
    return Refused("the private key is malformed or has a passphrase");
  }
  return key;
}

absl::StatusOr<absl::Time> ToTime(const ASN1_TIME* time) {
  std::tm fields = {};
  if (time == nullptr || ASN1_TIME_to_tm(time, &fields) != 1) {
    return Refused("a time in the certificate is malformed");
  }
  return absl::FromTM(fields, absl::UTCTimeZone());
}

std::string Fingerprint(const X509& certificate) {
  uint8_t digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (X509_digest(&certificate, EVP_sha256(), digest, &size) != 1) return "";
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest), size));
}

std::string SerialNumber(const X509& certificate) {
  const Ssl<BIGNUM> number(
      ASN1_INTEGER_to_BN(X509_get0_serialNumber(&certificate), nullptr));
  if (number == nullptr) return "";
  char* hex = BN_bn2hex(number.get());
  if (hex == nullptr) return "";
  absl::string_view digits = hex;
  while (digits.size() > 1 && digits.front() == '0') digits.remove_prefix(1);
  std::string serial = absl::AsciiStrToLower(digits);
  OPENSSL_free(hex);
  return serial;
}

absl::StatusOr<std::vector<std::string>> UriNames(const X509& certificate) {
  int critical = 0;
  const Ssl<GENERAL_NAMES> names(static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(
      &certificate, NID_subject_alt_name, &critical, nullptr)));
  if (names == nullptr) {
    // -1: not there; -2: there more than once; else it could not be read.
    if (critical == -1) return std::vector<std::string>();
    return Refused("the alternative names are malformed or there twice");
  }
  std::vector<std::string> uris;
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_URI) continue;
    const ASN1_IA5STRING* uri = name->d.uniformResourceIdentifier;
    uris.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(uri)),
                      ASN1_STRING_length(uri));
  }
  return uris;
}

}  // namespace innkeeper
