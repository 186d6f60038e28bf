#include "auth/certificate_builder.h"

#include <openssl/asn1.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "auth/openssl.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/status_macros.h"

namespace innkeeper {
namespace {

constexpr size_t kSerialBytes = 16;

absl::Status SetSerialNumber(X509* x509) {
  uint8_t bytes[kSerialBytes];
  if (RAND_bytes(bytes, sizeof(bytes)) != 1) {
    return OpenSslError("no random serial number");
  }
  const Ssl<BIGNUM> number(BN_bin2bn(bytes, sizeof(bytes), nullptr));
  if (number == nullptr ||
      BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(x509)) ==
          nullptr) {
    return OpenSslError("the serial number cannot be set");
  }
  return absl::OkStatus();
}

absl::Status AddExtension(X509* x509, X509V3_CTX* context, int nid,
                          const std::string& value) {
  if (value.empty()) return absl::OkStatus();
  const Ssl<X509_EXTENSION> extension(
      X509V3_EXT_conf_nid(nullptr, context, nid, value.c_str()));
  if (extension == nullptr ||
      X509_add_ext(x509, extension.get(), /*loc=*/-1) != 1) {
    return OpenSslError(
        absl::StrCat("the extension '", value, "' cannot be added"));
  }
  return absl::OkStatus();
}

// The names are given as bytes and not in OpenSSL's little language, in which a
// comma would begin another name.
absl::Status AddName(GENERAL_NAMES* names, int type, absl::string_view value) {
  Ssl<ASN1_STRING> text(ASN1_STRING_type_new(
      type == GEN_IPADD ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING));
  GENERAL_NAME* name = GENERAL_NAME_new();
  if (text == nullptr || name == nullptr ||
      ASN1_STRING_set(text.get(), value.data(),
                      static_cast<int>(value.size())) != 1) {
    GENERAL_NAME_free(name);
    return OpenSslError("an alternative name cannot be made");
  }
  GENERAL_NAME_set0_value(name, type, text.release());
  if (sk_GENERAL_NAME_push(names, name) == 0) {
    GENERAL_NAME_free(name);
    return OpenSslError("an alternative name cannot be added");
  }
  return absl::OkStatus();
}

absl::Status AddAddress(GENERAL_NAMES* names, const std::string& address) {
  const Ssl<ASN1_STRING> bytes(a2i_IPADDRESS(address.c_str()));
  if (bytes == nullptr) {
    return Error(absl::StatusCode::kInvalidArgument, reason::kInvalidRequest,
                 absl::StrCat("'", absl::CHexEscape(address),
                              "' is not an IP address"))
        .With("address", address);
  }
  return AddName(names, GEN_IPADD,
                 absl::string_view(reinterpret_cast<const char*>(
                                       ASN1_STRING_get0_data(bytes.get())),
                                   ASN1_STRING_length(bytes.get())));
}

absl::Status AddNames(X509* x509, const CertificateTemplate& content) {
  const Ssl<GENERAL_NAMES> names(sk_GENERAL_NAME_new_null());
  for (const std::string& uri : content.uris) {
    RETURN_IF_ERROR(AddName(names.get(), GEN_URI, uri));
  }
  for (const std::string& name : content.dns_names) {
    RETURN_IF_ERROR(AddName(names.get(), GEN_DNS, name));
  }
  for (const std::string& address : content.ip_addresses) {
    RETURN_IF_ERROR(AddAddress(names.get(), address));
  }
  if (sk_GENERAL_NAME_num(names.get()) == 0) return absl::OkStatus();
  if (X509_add1_ext_i2d(x509, NID_subject_alt_name, names.get(),
                        /*crit=*/0, X509V3_ADD_DEFAULT) != 1) {
    return OpenSslError("the alternative names cannot be added");
  }
  return absl::OkStatus();
}

absl::Status AddExtensions(X509* x509, X509* issuer,
                           const CertificateTemplate& content) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, x509, nullptr, nullptr, 0);
  std::string basic =
      content.authority ? "critical,CA:TRUE" : "critical,CA:FALSE";
  if (content.path_length.has_value()) {
    absl::StrAppend(&basic, ",pathlen:", *content.path_length);
  }
  RETURN_IF_ERROR(AddExtension(x509, &context, NID_basic_constraints, basic));
  RETURN_IF_ERROR(
      AddExtension(x509, &context, NID_key_usage, content.key_usage));
  RETURN_IF_ERROR(AddExtension(x509, &context, NID_ext_key_usage,
                               content.extended_key_usage));
  RETURN_IF_ERROR(
      AddExtension(x509, &context, NID_subject_key_identifier, "hash"));
  RETURN_IF_ERROR(AddExtension(x509, &context, NID_authority_key_identifier,
                               "keyid:always"));
  return AddNames(x509, content);
}

absl::StatusOr<std::string> Contents(BIO* bio) {
  const char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  if (size <= 0) return OpenSslError("PEM cannot be written");
  return std::string(data, static_cast<size_t>(size));
}

}  // namespace

absl::StatusOr<Ssl<EVP_PKEY>> MakeKey() {
  Ssl<EVP_PKEY> key(EVP_EC_gen("P-256"));
  if (key == nullptr) return OpenSslError("a key cannot be made");
  return key;
}

absl::StatusOr<Ssl<X509>> BuildCertificate(const CertificateTemplate& content,
                                           EVP_PKEY* subject_key, X509* issuer,
                                           EVP_PKEY* issuer_key) {
  Ssl<X509> x509(X509_new());
  if (x509 == nullptr) return OpenSslError("a certificate cannot be made");
  X509* const signer = issuer == nullptr ? x509.get() : issuer;
  RETURN_IF_ERROR(SetSerialNumber(x509.get()));
  X509_NAME* subject = X509_get_subject_name(x509.get());
  const bool made =
      X509_set_version(x509.get(), X509_VERSION_3) == 1 &&
      X509_NAME_add_entry_by_txt(
          subject, "CN", MBSTRING_UTF8,
          reinterpret_cast<const uint8_t*>(content.common_name.data()),
          static_cast<int>(content.common_name.size()), -1, 0) == 1 &&
      X509_set_issuer_name(x509.get(), X509_get_subject_name(signer)) == 1 &&
      X509_set_pubkey(x509.get(), subject_key) == 1 &&
      ASN1_TIME_set(X509_getm_notBefore(x509.get()),
                    absl::ToTimeT(content.start_time)) != nullptr &&
      ASN1_TIME_set(X509_getm_notAfter(x509.get()),
                    absl::ToTimeT(content.expire_time)) != nullptr;
  if (!made) return OpenSslError("the certificate cannot be filled in");
  RETURN_IF_ERROR(AddExtensions(x509.get(), signer, content));
  if (content.adjust) RETURN_IF_ERROR(content.adjust(x509.get()));
  if (X509_sign(x509.get(), issuer_key, content.digest) == 0) {
    return OpenSslError("the certificate cannot be signed");
  }
  return x509;
}

absl::StatusOr<std::string> ToPem(X509* certificate) {
  const Ssl<BIO> bio(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_X509(bio.get(), certificate) != 1) {
    return OpenSslError("the certificate cannot be written");
  }
  return Contents(bio.get());
}

absl::StatusOr<std::string> ToPem(EVP_PKEY* key) {
  const Ssl<BIO> bio(BIO_new(BIO_s_secmem()));
  if (PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0,
                                    nullptr, nullptr) != 1) {
    return OpenSslError("the key cannot be written");
  }
  return Contents(bio.get());
}

}  // namespace innkeeper
