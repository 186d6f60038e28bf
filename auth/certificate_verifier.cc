#include "auth/certificate_verifier.h"

#include <grpcpp/support/status.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "auth/certificate.h"
#include "auth/certificate_chain.h"
#include "auth/openssl.h"
#include "auth/principal.h"
#include "base/error.h"
#include "base/log.h"
#include "base/reason.h"
#include "base/status_macros.h"

namespace innkeeper {
namespace {

constexpr size_t kMaxRootBytes = 1 << 20;
constexpr size_t kMaxRoots = 32;
// Leaf, intermediate, root: more would never make a chain that we accept.
constexpr size_t kMaxChain = 3;

absl::string_view ToView(grpc::string_ref text) {
  return absl::string_view(text.data(), text.size());
}

bool Accepts(const ExpectedPeer& expected, const Principal& principal) {
  if (expected.principal.has_value() && *expected.principal != principal) {
    return false;
  }
  return expected.kinds.empty() ||
         std::find(expected.kinds.begin(), expected.kinds.end(),
                   principal.kind()) != expected.kinds.end();
}

}  // namespace

absl::StatusOr<std::vector<Ssl<X509>>> ParseRoots(absl::string_view pem) {
  return ParsePemCertificates(pem, kMaxRoots);
}

CertificateVerifier::CertificateVerifier(CertificateVerifierOptions options)
    : options_(std::move(options)),
      roots_(options_.ca_path, kMaxRootBytes, &ParseRoots) {}

std::shared_ptr<grpc::experimental::CertificateVerifier>
CertificateVerifier::Make(CertificateVerifierOptions options) {
  return ExternalCertificateVerifier::Create<CertificateVerifier>(
      std::move(options));
}

absl::StatusOr<Certificate> CertificateVerifier::Check(
    absl::string_view leaf, absl::string_view chain) const {
  auto roots = roots_.Get();
  if (!roots.ok()) {
    LogWarning("tls.roots.unreadable",
               {{"path", roots_.path()}, {"error", roots.status().message()}});
    roots = roots_.Last();
    if (*roots == nullptr) {
      return Error(
          absl::StatusCode::kUnavailable, reason::kConfigInvalid,
          absl::StrCat("the roots in '", roots_.path(), "' cannot be read"));
    }
  }
  ASSIGN_OR_RETURN(const Ssl<X509> x509, ParseOneCertificate(leaf));
  std::vector<Ssl<X509>> intermediates;
  if (!chain.empty()) {
    ASSIGN_OR_RETURN(intermediates, ParsePemCertificates(chain, kMaxChain));
  }
  ASSIGN_OR_RETURN(
      Certificate certificate,
      VerifyChain(x509.get(), intermediates, **roots, options_.trust_domain,
                  options_.peer_role, options_.clock->Now()));
  if (options_.deny_list != nullptr) {
    RETURN_IF_ERROR(options_.deny_list->Check(certificate));
  }
  if (!Accepts(options_.expected, certificate.principal)) {
    return Error(absl::StatusCode::kPermissionDenied,
                 reason::kCertificateRefused,
                 absl::StrCat("the peer is ", certificate.principal.ToString(),
                              ", which was not expected here"))
        .With("principal", certificate.principal.ToString());
  }
  return certificate;
}

bool CertificateVerifier::Verify(
    grpc::experimental::TlsCustomVerificationCheckRequest* request,
    std::function<void(grpc::Status)> callback, grpc::Status* sync_status) {
  const absl::StatusOr<Certificate> certificate = Check(
      ToView(request->peer_cert()), ToView(request->peer_cert_full_chain()));
  if (certificate.ok()) {
    *sync_status = grpc::Status::OK;
    return true;
  }
  LogWarning("tls.peer.refused", {{"reason", certificate.status().message()}});
  *sync_status = grpc::Status(grpc::StatusCode::UNAUTHENTICATED,
                              std::string(certificate.status().message()));
  return true;
}

}  // namespace innkeeper
