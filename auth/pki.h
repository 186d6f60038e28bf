// A certificate authority in a directory: for labs, and for installations that
// have no other.
//
// The directory holds
//   ca.pem                      the root: what every party trusts
//   root.key                    its key; take it off-line, nothing here needs
//   it {host,service,user}-ca.pem  the intermediates (certificate_chain.h)
//   {host,service,user}-ca.key  their keys; a cluster's server gets only host's
//   trust_domain
//   issued.log                  a line of JSON for each certificate
// Keys have mode 0600.
#ifndef INNKEEPER_AUTH_PKI_H_
#define INNKEEPER_AUTH_PKI_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "auth/certificate.h"
#include "auth/enrolment_token.h"
#include "auth/openssl.h"
#include "auth/principal.h"
#include "base/clock.h"

namespace innkeeper {

// Makes root and intermediates in `dir`, which is created with mode 0700 where
// it is missing. ALREADY_EXISTS, with nothing changed, if it holds any file of
// an authority. INVALID_ARGUMENT for a bad trust domain.
absl::Status InitPki(const std::string& dir, absl::string_view trust_domain,
                     const Clock& clock = *Clock::Real());

// What is wanted of a certificate.
struct IssueRequest {
  Principal principal;
  // Addresses, for stock clients; only for host, server and gateway.
  std::vector<std::string> dns_names;
  std::vector<std::string> ip_addresses;
  absl::Duration validity = absl::Hours(24 * 90);
};

struct IssuedCertificate {
  Certificate certificate;
  std::string chain_pem;  // Leaf and intermediate.
  std::string key_pem;    // Empty where the key was made elsewhere.
};

// The authority of one directory. Thread-compatible. Reads the key it needs for
// each certificate and keeps none. Each certificate is in issued.log, synced,
// before it is handed out. Blocks on the disk.
class Pki {
 public:
  // NOT_FOUND if `dir` holds no authority.
  static absl::StatusOr<Pki> Open(const std::string& dir,
                                  const Clock& clock = *Clock::Real());

  const std::string& trust_domain() const { return trust_domain_; }
  const std::string& ca_pem() const { return ca_pem_; }

  // A certificate with a fresh key. Users, services and enrolment tokens get
  // clientAuth; hosts, servers and gateways serverAuth, too. INVALID_ARGUMENT
  // for names that do not go with the kind or a validity that is not positive
  // or outlasts the intermediate's; NOT_FOUND if the key of that intermediate
  // is not here.
  absl::StatusOr<IssuedCertificate> Issue(const IssueRequest& request) const;

  // The same for the key of `csr_pem`, a PKCS #10 request, whose signature
  // must be good and of which nothing but the key counts. Hosts only.
  // Input: untrusted.
  absl::StatusOr<IssuedCertificate> SignHost(const IssueRequest& request,
                                             absl::string_view csr_pem) const;

  // A token for a host that connects to one of `addresses`, good for one hour.
  // `id` names it in logs.
  absl::StatusOr<EnrolmentToken> MakeEnrolmentToken(
      absl::string_view id, const std::vector<std::string>& addresses) const;

 private:
  Pki(std::string dir, std::string trust_domain, std::string ca_pem,
      const Clock* clock)
      : dir_(std::move(dir)),
        trust_domain_(std::move(trust_domain)),
        ca_pem_(std::move(ca_pem)),
        clock_(clock) {}

  absl::StatusOr<IssuedCertificate> Sign(const IssueRequest& request,
                                         EVP_PKEY* key) const;
  absl::Status LogIssue(const Certificate& certificate,
                        absl::string_view authority) const;

  std::string dir_;
  std::string trust_domain_;
  std::string ca_pem_;
  const Clock* clock_;
};

// Writes PREFIX.key (0600) and PREFIX.pem (0644). ALREADY_EXISTS, with nothing
// changed, if either is there.
absl::Status WriteCertificate(const std::string& prefix,
                              const IssuedCertificate& issued);

// A PKCS #10 request for `key`, without names: for SignHost.
absl::StatusOr<std::string> MakeSigningRequest(EVP_PKEY* key);

// Whether `csr_pem` is a request for the key of the first certificate of
// `chain_pem`, signed by that key. Input: untrusted.
bool IsRequestFor(absl::string_view csr_pem, absl::string_view chain_pem);

}  // namespace innkeeper

#endif  // INNKEEPER_AUTH_PKI_H_
