// gRPC credentials: mutual TLS, whose files may change while in use.
#ifndef INNKEEPER_AUTH_TLS_CREDENTIALS_H_
#define INNKEEPER_AUTH_TLS_CREDENTIALS_H_

#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "auth/certificate.h"
#include "auth/certificate_verifier.h"
#include "auth/deny_list.h"
#include "base/clock.h"

namespace innkeeper {

// One party's files. All are read again within 2.5 s of a change. To rotate a
// key with its certificate, change both in one step: point a symbolic link at
// another directory. A pair that does not match refuses every new handshake.
struct TlsFiles {
  std::string trust_domain;
  std::string ca_path;           // PEM: the roots.
  std::string certificate_path;  // PEM: our leaf, then its intermediate.
  std::string key_path;          // PEM without passphrase.
};

struct TlsOptions {
  TlsFiles files;
  ExpectedPeer expected;                      // Default: any principal.
  std::shared_ptr<const DenyList> deny_list;  // Null: denies nobody.
  const Clock* clock = Clock::Real();         // Not owned; for our verifier.
};

// Credentials of a server that asks every client for a certificate and refuses
// those that CertificateVerifier does. InitTls comes first. Never fails: with
// bad files handshakes fail until the files are good (CheckTlsFiles).
std::shared_ptr<grpc::ServerCredentials> MakeServerCredentials(
    const TlsOptions& options);

// Credentials of a client that shows its certificate and accepts the expected
// peer only, whatever the name it was dialled by.
std::shared_ptr<grpc::ChannelCredentials> MakeChannelCredentials(
    const TlsOptions& options);

// Whether the files can serve in `role` at `now`: readable, well formed, the
// key that of the certificate and not open to the world, the certificate ours
// and leading to the roots. Says who we are. An error names the file, what is
// wrong and what to do. Blocks on the disk.
absl::StatusOr<Certificate> CheckTlsFiles(const TlsFiles& files, TlsRole role,
                                          absl::Time now);

}  // namespace innkeeper

#endif  // INNKEEPER_AUTH_TLS_CREDENTIALS_H_
