// Decides, inside a TLS handshake, whether the peer is one of ours.
#ifndef INNKEEPER_AUTH_CERTIFICATE_VERIFIER_H_
#define INNKEEPER_AUTH_CERTIFICATE_VERIFIER_H_

#include <grpcpp/security/tls_certificate_verifier.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "auth/certificate.h"
#include "auth/deny_list.h"
#include "auth/openssl.h"
#include "auth/principal.h"
#include "auth/watched_file.h"
#include "base/clock.h"

namespace innkeeper {

// Whom to accept as the peer.
struct ExpectedPeer {
  // Any principal of these kinds; empty: of any kind.
  std::vector<PrincipalKind> kinds;
  // Nobody but this one, where given.
  std::optional<Principal> principal;
};

struct CertificateVerifierOptions {
  std::string trust_domain;
  // A PEM file of roots. Read again when it changes; while it is missing or
  // malformed, the last good content counts, so that a slip in its rotation
  // does not lock everybody out.
  std::string ca_path;
  // The side that the peer is on.
  TlsRole peer_role = TlsRole::kClient;
  ExpectedPeer expected;
  std::shared_ptr<const DenyList> deny_list;  // Null: denies nobody.
  const Clock* clock = Clock::Real();         // Not owned.
};

// Thread-safe. gRPC runs it on full and resumed handshakes alike.
class CertificateVerifier final
    : public grpc::experimental::ExternalCertificateVerifier {
 public:
  explicit CertificateVerifier(CertificateVerifierOptions options);

  // The form in which gRPC's options take it.
  static std::shared_ptr<grpc::experimental::CertificateVerifier> Make(
      CertificateVerifierOptions options);

  // The whole decision. `leaf` and `chain` are PEM; `chain` may lack or repeat
  // the leaf. PERMISSION_DENIED (CERTIFICATE_REFUSED), with the reason;
  // UNAVAILABLE if the roots or the deny list cannot be read.
  absl::StatusOr<Certificate> Check(absl::string_view leaf,
                                    absl::string_view chain) const;

  bool Verify(grpc::experimental::TlsCustomVerificationCheckRequest* request,
              std::function<void(grpc::Status)> callback,
              grpc::Status* sync_status) override;
  void Cancel(
      grpc::experimental::TlsCustomVerificationCheckRequest* request) override {
  }

 private:
  const CertificateVerifierOptions options_;
  const WatchedFile<std::vector<Ssl<X509>>> roots_;
};

// The roots in `pem`; at most 32. INVALID_ARGUMENT.
absl::StatusOr<std::vector<Ssl<X509>>> ParseRoots(absl::string_view pem);

}  // namespace innkeeper

#endif  // INNKEEPER_AUTH_CERTIFICATE_VERIFIER_H_
