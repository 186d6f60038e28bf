#include "cli/certificate_check.h"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <cstddef>
#include <ctime>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "base/error.h"
#include "base/file.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "cli/remotes.h"
#include "cli/value.h"

namespace innkeeper {
namespace {

constexpr size_t kFileLimit = 1 << 20;
constexpr absl::Duration kExpiresSoon = absl::Hours(24 * 7);

struct Free {
  void operator()(X509* x) const { X509_free(x); }
  void operator()(EVP_PKEY* x) const { EVP_PKEY_free(x); }
  void operator()(BIO* x) const { BIO_free(x); }
  void operator()(X509_STORE* x) const { X509_STORE_free(x); }
  void operator()(X509_STORE_CTX* x) const { X509_STORE_CTX_free(x); }
  void operator()(GENERAL_NAMES* x) const { GENERAL_NAMES_free(x); }
  // Holds its certificates, unlike the list of OpenSSL's own functions.
  void operator()(STACK_OF(X509) * x) const { sk_X509_pop_free(x, X509_free); }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;

Finding Ok(absl::string_view subject, absl::string_view text) {
  return {CheckResult::kOk, std::string(subject), std::string(text)};
}
Finding Failure(absl::string_view subject, absl::string_view text) {
  return {CheckResult::kFailure, std::string(subject), std::string(text)};
}
Finding Warning(absl::string_view subject, absl::string_view text) {
  return {CheckResult::kWarning, std::string(subject), std::string(text)};
}

Owned<BIO> Memory(absl::string_view text) {
  return Owned<BIO>(
      BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::vector<Owned<X509>> ParseCertificates(absl::string_view pem) {
  std::vector<Owned<X509>> certificates;
  const Owned<BIO> bio = Memory(pem);
  while (X509* next = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    certificates.emplace_back(next);
  }
  return certificates;
}

absl::Time ToTime(const ASN1_TIME* time) {
  tm parts = {};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return absl::InfinitePast();
  return absl::FromTM(parts, absl::UTCTimeZone());
}

std::string DateText(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
}

// The URI SANs; a good certificate has one.
std::vector<std::string> UriNames(X509* certificate) {
  std::vector<std::string> names;
  const Owned<GENERAL_NAMES> all(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; i < sk_GENERAL_NAME_num(all.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(all.get(), i);
    if (name->type != GEN_URI) continue;
    const ASN1_IA5STRING* uri = name->d.uniformResourceIdentifier;
    names.emplace_back(
        reinterpret_cast<const char*>(ASN1_STRING_get0_data(uri)),
        ASN1_STRING_length(uri));
  }
  return names;
}

Finding CheckExpiry(absl::string_view subject, X509* certificate,
                    absl::Time now) {
  const absl::Time from = ToTime(X509_get0_notBefore(certificate));
  const absl::Time until = ToTime(X509_get0_notAfter(certificate));
  if (now < from) {
    return Failure(subject,
                   absl::StrCat("is valid only from ", DateText(from), ", in ",
                                FormatAge(from - now),
                                "; this machine's clock is behind: set it"));
  }
  if (now >= until) {
    return Failure(subject, absl::StrCat("expired on ", DateText(until), ", ",
                                         FormatAge(now - until),
                                         " ago; have a new one issued"));
  }
  const std::string text = absl::StrCat("is valid until ", DateText(until),
                                        ", for ", FormatAge(until - now));
  if (until - now < kExpiresSoon) {
    return Warning(subject, absl::StrCat(text, "; have a new one issued"));
  }
  return Ok(subject, text);
}

Finding CheckIdentity(X509* certificate) {
  const std::vector<std::string> names = UriNames(certificate);
  if (names.size() != 1) {
    return Failure("identity",
                   absl::StrCat("the certificate has ", names.size(),
                                " URI names and needs one; have it issued "
                                "with: inn pki issue"));
  }
  if (!absl::StartsWith(names[0], "spiffe://")) {
    return Failure("identity", absl::StrCat("'", names[0],
                                            "' is no spiffe:// name; have it "
                                            "issued with: inn pki issue"));
  }
  return Ok("identity", names[0]);
}

Finding CheckKey(const std::string& path, X509* certificate) {
  const absl::StatusOr<std::string> pem = ReadFile(path, kFileLimit);
  if (!pem.ok()) return Failure("key", pem.status().message());
  // No passphrase is asked for: nobody may be there.
  const Owned<EVP_PKEY> key(PEM_read_bio_PrivateKey(
      Memory(*pem).get(), nullptr, [](char*, int, int, void*) { return -1; },
      nullptr));
  if (key == nullptr) {
    return Failure("key", absl::StrCat(path,
                                       " holds no private key in PEM "
                                       "that can be read"));
  }
  if (X509_check_private_key(certificate, key.get()) != 1) {
    return Failure("key", absl::StrCat(path,
                                       " is not the key of the "
                                       "certificate; name its own"));
  }
  struct stat info;
  if (stat(path.c_str(), &info) == 0 && (info.st_mode & 0077) != 0) {
    return Warning("key",
                   absl::StrCat("others may read it; try: chmod 600 ", path));
  }
  return Ok("key", "belongs to the certificate");
}

Finding CheckChain(const std::vector<Owned<X509>>& certificates,
                   const std::vector<Owned<X509>>& roots, absl::Time now) {
  const Owned<X509_STORE> store(X509_STORE_new());
  for (const auto& root : roots) X509_STORE_add_cert(store.get(), root.get());
  const Owned<STACK_OF(X509)> chain(sk_X509_new_null());
  for (size_t i = 1; i < certificates.size(); ++i) {
    X509_up_ref(certificates[i].get());
    sk_X509_push(chain.get(), certificates[i].get());
  }
  const Owned<X509_STORE_CTX> context(X509_STORE_CTX_new());
  X509_STORE_CTX_init(context.get(), store.get(), certificates[0].get(),
                      chain.get());
  X509_STORE_CTX_set_time(context.get(), 0, absl::ToTimeT(now));
  if (X509_verify_cert(context.get()) == 1) {
    return Ok("chain", "leads to the roots");
  }
  return Failure(
      "chain",
      absl::StrCat("does not lead to the roots: ",
                   X509_verify_cert_error_string(
                       X509_STORE_CTX_get_error(context.get())),
                   "; the file has to hold the issuer's certificate as well, "
                   "and the roots have to be this cluster's"));
}

}  // namespace

absl::StatusOr<std::string> TrustDomainOf(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string pem, ReadFile(path, kFileLimit));
  const std::vector<Owned<X509>> certificates = ParseCertificates(pem);
  if (!certificates.empty()) {
    for (const std::string& name : UriNames(certificates[0].get())) {
      absl::string_view rest = name;
      if (!absl::ConsumePrefix(&rest, "spiffe://")) continue;
      return std::string(rest.substr(0, rest.find('/')));
    }
  }
  return Error(absl::StatusCode::kInvalidArgument, reason::kCertificateRefused,
               absl::StrCat(path,
                            " holds no certificate in PEM with a spiffe:// "
                            "name; try: inn doctor"))
      .Build();
}

std::vector<Finding> CheckCertificates(const Remote& remote, absl::Time now) {
  const absl::StatusOr<std::string> pem = ReadFile(remote.cert, kFileLimit);
  if (!pem.ok()) return {Failure("certificate", pem.status().message())};
  const std::vector<Owned<X509>> certificates = ParseCertificates(*pem);
  if (certificates.empty()) {
    return {Failure("certificate", absl::StrCat(remote.cert,
                                                " holds no "
                                                "certificate in PEM"))};
  }
  std::vector<Finding> findings;
  X509* leaf = certificates[0].get();
  findings.push_back(CheckExpiry("certificate", leaf, now));
  findings.push_back(CheckIdentity(leaf));
  findings.push_back(CheckKey(remote.key, leaf));

  const absl::StatusOr<std::string> ca = ReadFile(remote.ca, kFileLimit);
  if (!ca.ok()) {
    findings.push_back(Failure("roots", ca.status().message()));
    return findings;
  }
  const std::vector<Owned<X509>> roots = ParseCertificates(*ca);
  if (roots.empty()) {
    findings.push_back(Failure(
        "roots", absl::StrCat(remote.ca, " holds no certificate in PEM")));
    return findings;
  }
  for (const auto& root : roots) {
    findings.push_back(CheckExpiry("roots", root.get(), now));
  }
  findings.push_back(CheckChain(certificates, roots, now));
  return findings;
}

}  // namespace innkeeper
