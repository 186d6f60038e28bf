#include "auth/pki.h"

#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "auth/certificate.h"
#include "auth/certificate_builder.h"
#include "auth/certificate_chain.h"
#include "auth/enrolment_token.h"
#include "auth/openssl.h"
#include "auth/principal.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace innkeeper {
namespace {

constexpr size_t kMaxFileBytes = size_t{64} * 1024;
constexpr mode_t kSecret = 0600;
constexpr mode_t kPublic = 0644;
constexpr absl::Duration kRootLife = absl::Hours(24 * 3650);
constexpr absl::Duration kIntermediateLife = absl::Hours(24 * 1825);
constexpr absl::Duration kTokenLife = absl::Hours(1);
// For clocks that are a little behind the authority's.
constexpr absl::Duration kBackdate = absl::Minutes(5);
constexpr absl::string_view kAuthorities[] = {"host", "service", "user"};

struct Authority {
  Ssl<X509> x509;
  Ssl<EVP_PKEY> key;
};

bool HasAddresses(PrincipalKind kind) {
  return kind == PrincipalKind::kHost || kind == PrincipalKind::kServer ||
         kind == PrincipalKind::kGateway;
}

// Null if `pem` is malformed or not signed by the key that it names: the
// signature proves that the sender has the key.
Ssl<X509_REQ> ReadSigningRequest(absl::string_view pem) {
  if (pem.size() > kMaxFileBytes) return nullptr;
  const Ssl<BIO> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  Ssl<X509_REQ> csr(
      PEM_read_bio_X509_REQ(bio.get(), nullptr, nullptr, nullptr));
  EVP_PKEY* key = csr == nullptr ? nullptr : X509_REQ_get0_pubkey(csr.get());
  if (key == nullptr || X509_REQ_verify(csr.get(), key) != 1) return nullptr;
  return csr;
}

bool Exists(const std::string& path) {
  struct stat unused = {};
  return lstat(path.c_str(), &unused) == 0;
}

absl::Status Taken(const std::string& path) {
  return Error(absl::StatusCode::kAlreadyExists, reason::kConfigInvalid,
               absl::StrCat("'", path,
                            "' exists and is not overwritten; name another "
                            "place, or move it away first"))
      .With("path", path);
}

absl::StatusOr<Authority> MakeAuthority(absl::string_view trust_domain,
                                        absl::string_view kind,
                                        const Authority* issuer,
                                        absl::Time now) {
  Authority authority;
  ASSIGN_OR_RETURN(authority.key, MakeKey());
  CertificateTemplate content;
  content.common_name = absl::StrCat("Innkeeper ", kind, " CA");
  content.authority = true;
  content.key_usage = "critical,keyCertSign,cRLSign";
  content.start_time = now - kBackdate;
  content.expire_time = now + (issuer ? kIntermediateLife : kRootLife);
  if (issuer != nullptr) {
    content.path_length = 0;
    content.uris = {absl::StrCat("spiffe://", trust_domain, "/ca/", kind)};
  }
  ASSIGN_OR_RETURN(
      authority.x509,
      BuildCertificate(content, authority.key.get(),
                       issuer ? issuer->x509.get() : nullptr,
                       issuer ? issuer->key.get() : authority.key.get()));
  return authority;
}

absl::Status WriteAuthority(const Authority& authority,
                            const std::string& certificate_path,
                            const std::string& key_path) {
  ASSIGN_OR_RETURN(const std::string key_pem, ToPem(authority.key.get()));
  RETURN_IF_ERROR(WriteFileAtomically(key_path, key_pem, kSecret));
  ASSIGN_OR_RETURN(const std::string pem, ToPem(authority.x509.get()));
  return WriteFileAtomically(certificate_path, pem, kPublic);
}

absl::StatusOr<Authority> ReadAuthority(const std::string& dir,
                                        absl::string_view kind) {
  const std::string stem = absl::StrCat(dir, "/", kind, "-ca");
  ASSIGN_OR_RETURN(const std::string pem,
                   ReadFile(stem + ".pem", kMaxFileBytes));
  ASSIGN_OR_RETURN(const std::string key_pem,
                   ReadFile(stem + ".key", kMaxFileBytes));
  Authority authority;
  ASSIGN_OR_RETURN(authority.x509, ParseOneCertificate(pem));
  ASSIGN_OR_RETURN(authority.key, ParsePrivateKey(key_pem));
  return authority;
}

absl::Status CheckRequest(const IssueRequest& request) {
  const PrincipalKind kind = request.principal.kind();
  absl::string_view why;
  if (kind == PrincipalKind::kLocal) {
    why = "local accounts are known by the kernel's word, not by certificates";
  } else if (request.validity <= absl::ZeroDuration()) {
    why = "the validity must be positive";
  } else if (!HasAddresses(kind) &&
             !(request.dns_names.empty() && request.ip_addresses.empty())) {
    why = "only hosts, servers and gateways have addresses";
  } else {
    return absl::OkStatus();
  }
  return Error(absl::StatusCode::kInvalidArgument, reason::kInvalidRequest,
               absl::StrCat("no certificate for ", request.principal.ToString(),
                            ": ", why));
}

}  // namespace

absl::Status InitPki(const std::string& dir, absl::string_view trust_domain,
                     const Clock& clock) {
  if (!IsTrustDomain(trust_domain)) {
    return Error(absl::StatusCode::kInvalidArgument, reason::kInvalidRequest,
                 absl::StrCat("'", absl::CHexEscape(trust_domain),
                              "' is not a trust domain: write something like "
                              "a DNS name, in lower case"));
  }
  if (mkdir(dir.c_str(), 0700) != 0 && errno != EEXIST) {
    return ErrnoError(errno, absl::StrCat("'", dir, "' cannot be made"));
  }
  std::vector<std::string> paths = {dir + "/ca.pem", dir + "/root.key",
                                    dir + "/trust_domain"};
  for (const absl::string_view kind : kAuthorities) {
    paths.push_back(absl::StrCat(dir, "/", kind, "-ca.pem"));
    paths.push_back(absl::StrCat(dir, "/", kind, "-ca.key"));
  }
  for (const std::string& path : paths) {
    if (Exists(path)) return Taken(path);
  }
  const absl::Time now = clock.Now();
  ASSIGN_OR_RETURN(const Authority root,
                   MakeAuthority(trust_domain, "root", nullptr, now));
  for (const absl::string_view kind : kAuthorities) {
    ASSIGN_OR_RETURN(const Authority authority,
                     MakeAuthority(trust_domain, kind, &root, now));
    RETURN_IF_ERROR(WriteAuthority(authority,
                                   absl::StrCat(dir, "/", kind, "-ca.pem"),
                                   absl::StrCat(dir, "/", kind, "-ca.key")));
  }
  RETURN_IF_ERROR(WriteFileAtomically(
      dir + "/trust_domain", absl::StrCat(trust_domain, "\n"), kPublic));
  // ca.pem comes last: with it the authority is whole.
  return WriteAuthority(root, dir + "/ca.pem", dir + "/root.key");
}

absl::StatusOr<Pki> Pki::Open(const std::string& dir, const Clock& clock) {
  ASSIGN_OR_RETURN(std::string ca_pem,
                   ReadFile(dir + "/ca.pem", kMaxFileBytes));
  ASSIGN_OR_RETURN(std::string trust_domain,
                   ReadFile(dir + "/trust_domain", 1024));
  if (!trust_domain.empty() && trust_domain.back() == '\n') {
    trust_domain.pop_back();
  }
  if (!IsTrustDomain(trust_domain)) {
    return Error(absl::StatusCode::kInvalidArgument, reason::kConfigInvalid,
                 absl::StrCat("'", dir, "/trust_domain' holds none"));
  }
  return Pki(dir, std::move(trust_domain), std::move(ca_pem), &clock);
}

absl::StatusOr<IssuedCertificate> Pki::Issue(
    const IssueRequest& request) const {
  ASSIGN_OR_RETURN(const Ssl<EVP_PKEY> key, MakeKey());
  ASSIGN_OR_RETURN(IssuedCertificate issued, Sign(request, key.get()));
  ASSIGN_OR_RETURN(issued.key_pem, ToPem(key.get()));
  return issued;
}

absl::StatusOr<IssuedCertificate> Pki::SignHost(
    const IssueRequest& request, absl::string_view csr_pem) const {
  const auto refused = [](absl::string_view why) {
    return Error(absl::StatusCode::kInvalidArgument, reason::kInvalidRequest,
                 absl::StrCat("the signing request is refused: ", why))
        .Build();
  };
  if (request.principal.kind() != PrincipalKind::kHost) {
    return refused("only hosts enrol");
  }
  if (csr_pem.size() > kMaxFileBytes) return refused("it is too long");
  const Ssl<X509_REQ> csr = ReadSigningRequest(csr_pem);
  if (csr == nullptr) {
    return refused("it is malformed or not signed by its own key");
  }
  return Sign(request, X509_REQ_get0_pubkey(csr.get()));
}

bool IsRequestFor(absl::string_view csr_pem, absl::string_view chain_pem) {
  const Ssl<X509_REQ> csr = ReadSigningRequest(csr_pem);
  if (csr == nullptr || chain_pem.size() > kMaxFileBytes) return false;
  const Ssl<BIO> bio(
      BIO_new_mem_buf(chain_pem.data(), static_cast<int>(chain_pem.size())));
  const Ssl<X509> leaf(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  return leaf != nullptr && EVP_PKEY_eq(X509_REQ_get0_pubkey(csr.get()),
                                        X509_get0_pubkey(leaf.get())) == 1;
}

absl::StatusOr<EnrolmentToken> Pki::MakeEnrolmentToken(
    absl::string_view id, const std::vector<std::string>& addresses) const {
  ASSIGN_OR_RETURN(const Principal principal,
                   Principal::Parse(absl::StrCat("enrol/", id)));
  IssueRequest request{principal, {}, {}, kTokenLife};
  ASSIGN_OR_RETURN(const IssuedCertificate issued, Issue(request));
  return EnrolmentToken{addresses, trust_domain_, ca_pem_, issued.chain_pem,
                        issued.key_pem};
}

absl::StatusOr<IssuedCertificate> Pki::Sign(const IssueRequest& request,
                                            EVP_PKEY* key) const {
  RETURN_IF_ERROR(CheckRequest(request));
  const absl::string_view kind = AuthorityFor(request.principal.kind());
  ASSIGN_OR_RETURN(const Authority authority, ReadAuthority(dir_, kind));
  ASSIGN_OR_RETURN(const absl::Time end,
                   ToTime(X509_get0_notAfter(authority.x509.get())));
  const absl::Time now = clock_->Now();
  if (now + request.validity > end) {
    return Error(absl::StatusCode::kInvalidArgument, reason::kInvalidRequest,
                 absl::StrCat("no certificate may outlast its authority, ",
                              "which ends at ",
                              absl::FormatTime(end, absl::UTCTimeZone()),
                              "; ask for a shorter validity"));
  }
  CertificateTemplate content;
  content.common_name = request.principal.ToString();
  content.uris = {request.principal.SpiffeId(trust_domain_)};
  content.dns_names = request.dns_names;
  content.ip_addresses = request.ip_addresses;
  content.extended_key_usage = HasAddresses(request.principal.kind())
                                   ? "clientAuth,serverAuth"
                                   : "clientAuth";
  content.start_time = now - kBackdate;
  content.expire_time = now + request.validity;
  ASSIGN_OR_RETURN(const Ssl<X509> x509,
                   BuildCertificate(content, key, authority.x509.get(),
                                    authority.key.get()));
  // Nothing leaves here that a verifier of ours would refuse: a weak key, say.
  ASSIGN_OR_RETURN(Certificate certificate,
                   ReadCertificate(*x509, trust_domain_));
  RETURN_IF_ERROR(LogIssue(certificate, kind));
  ASSIGN_OR_RETURN(const std::string leaf_pem, ToPem(x509.get()));
  ASSIGN_OR_RETURN(const std::string issuer_pem, ToPem(authority.x509.get()));
  return IssuedCertificate{std::move(certificate), leaf_pem + issuer_pem, ""};
}

absl::Status Pki::LogIssue(const Certificate& certificate,
                           absl::string_view authority) const {
  const std::string path = dir_ + "/issued.log";
  const UniqueFd fd(
      open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, kSecret));
  if (!fd.valid()) {
    return ErrnoError(errno, absl::StrCat("'", path, "' cannot be opened"));
  }
  // Nothing in these fields needs escaping.
  RETURN_IF_ERROR(WriteAll(
      fd.get(),
      absl::StrCat(
          "{\"time\":\"", absl::FormatTime(clock_->Now(), absl::UTCTimeZone()),
          "\",\"principal\":\"", certificate.principal.ToString(),
          "\",\"authority\":\"", authority, "\",\"serial\":\"",
          certificate.serial_number, "\",\"sha256\":\"",
          certificate.fingerprint, "\",\"expire_time\":\"",
          absl::FormatTime(certificate.expire_time, absl::UTCTimeZone()),
          "\"}\n")));
  if (fsync(fd.get()) != 0) {
    return ErrnoError(errno, absl::StrCat("'", path, "' cannot be synced"));
  }
  return absl::OkStatus();
}

absl::Status WriteCertificate(const std::string& prefix,
                              const IssuedCertificate& issued) {
  for (const std::string& path : {prefix + ".key", prefix + ".pem"}) {
    if (Exists(path)) return Taken(path);
  }
  RETURN_IF_ERROR(
      WriteFileAtomically(prefix + ".key", issued.key_pem, kSecret));
  return WriteFileAtomically(prefix + ".pem", issued.chain_pem, kPublic);
}

absl::StatusOr<std::string> MakeSigningRequest(EVP_PKEY* key) {
  const Ssl<X509_REQ> csr(X509_REQ_new());
  const Ssl<BIO> bio(BIO_new(BIO_s_mem()));
  if (csr == nullptr || bio == nullptr ||
      X509_REQ_set_pubkey(csr.get(), key) != 1 ||
      X509_REQ_sign(csr.get(), key, EVP_sha256()) == 0 ||
      PEM_write_bio_X509_REQ(bio.get(), csr.get()) != 1) {
    return OpenSslError("the signing request cannot be made");
  }
  const char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<size_t>(size));
}

}  // namespace innkeeper
