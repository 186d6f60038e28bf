#include "auth/tls_self_test.h"

#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "auth/openssl.h"
#include "auth/tls_credentials.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace innkeeper {
namespace {

constexpr unsigned char kAlpn[] = {2, 'h', '2'};
// Enough for the server's first SETTINGS frame and what may follow it.
constexpr int kReads = 3;

struct Outcome {
  bool handshake = false;  // As the client sees it.
  bool served = false;     // The server sent something.
  int tickets = 0;
};

// Keeps a peer that hangs up from ending the process while this lives: OpenSSL
// has no way to write without SIGPIPE.
class SigpipeBlock {
 public:
  SigpipeBlock() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~SigpipeBlock() {
    const timespec now = {};
    if (sigismember(&before_, SIGPIPE) == 0) {
      sigtimedwait(&pipe_, nullptr, &now);
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  SigpipeBlock(const SigpipeBlock&) = delete;
  SigpipeBlock& operator=(const SigpipeBlock&) = delete;

 private:
  sigset_t pipe_;
  sigset_t before_;
};

absl::Status NotHeld(absl::string_view what) {
  return Error(absl::StatusCode::kFailedPrecondition, reason::kInternal,
               absl::StrCat("the TLS self-test failed: ", what,
                            "; nothing is served like this"));
}

absl::StatusOr<UniqueFd> Connect(const std::string& address,
                                 absl::Duration timeout) {
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos) {
    return Error(absl::StatusCode::kInvalidArgument, reason::kInvalidRequest,
                 absl::StrCat("'", address, "' is not IP:PORT"))
        .Build();
  }
  absl::string_view host = absl::string_view(address).substr(0, colon);
  if (absl::ConsumePrefix(&host, "[")) absl::ConsumeSuffix(&host, "]");
  addrinfo hints = {};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(std::string(host).c_str(), address.c_str() + colon + 1,
                  &hints, &found) != 0) {
    return Error(absl::StatusCode::kInvalidArgument, reason::kInvalidRequest,
                 absl::StrCat("'", address, "' is not IP:PORT"))
        .Build();
  }
  UniqueFd fd(socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval limit = absl::ToTimeval(timeout);
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
  const int result = connect(fd.get(), found->ai_addr, found->ai_addrlen);
  const int error = errno;
  freeaddrinfo(found);
  if (result != 0) {
    return ErrnoError(error,
                      absl::StrCat("the TLS self-test cannot reach ", address));
  }
  return fd;
}

int CountTicket(SSL* ssl, SSL_SESSION*) {
  ++static_cast<Outcome*>(SSL_get_app_data(ssl))->tickets;
  return 0;
}

// A context without the settings of InitTls, which bind every new one.
absl::StatusOr<Ssl<SSL_CTX>> MakeContext(int version) {
  Ssl<SSL_CTX> context(SSL_CTX_new(TLS_client_method()));
  if (context == nullptr) return OpenSslError("the TLS self-test");
  SSL_CTX_clear_options(context.get(), SSL_OP_NO_TLSv1_2 | SSL_OP_NO_TICKET);
  SSL_CTX_set_min_proto_version(context.get(), version);
  SSL_CTX_set_max_proto_version(context.get(), version);
  SSL_CTX_set_alpn_protos(context.get(), kAlpn, sizeof(kAlpn));
  SSL_CTX_set_session_cache_mode(
      context.get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context.get(), &CountTicket);
  return context;
}

absl::Status AddCertificate(SSL_CTX* context, const TlsFiles& files) {
  if (SSL_CTX_use_certificate_chain_file(context,
                                         files.certificate_path.c_str()) == 1 &&
      SSL_CTX_use_PrivateKey_file(context, files.key_path.c_str(),
                                  SSL_FILETYPE_PEM) == 1) {
    return absl::OkStatus();
  }
  return OpenSslError("the TLS self-test cannot use our certificate");
}

// Listens until the server sent something, as one of HTTP/2 does first, or hung
// up. Whom it speaks to is not
// checked: the address is our own, and nothing is told.
absl::StatusOr<Outcome> Probe(const std::string& address, SSL_CTX* context,
                              absl::Duration timeout) {
  const SigpipeBlock block;
  ASSIGN_OR_RETURN(const UniqueFd fd, Connect(address, timeout));
  Outcome outcome;
  const Ssl<SSL> ssl(SSL_new(context));
  if (ssl == nullptr) return OpenSslError("the TLS self-test");
  SSL_set_app_data(ssl.get(), &outcome);
  SSL_set_fd(ssl.get(), fd.get());
  outcome.handshake = SSL_connect(ssl.get()) == 1;
  if (outcome.handshake) {
    for (int i = 0; i < kReads; ++i) {
      char buffer[1024];
      if (SSL_read(ssl.get(), buffer, sizeof(buffer)) <= 0) break;
      outcome.served = true;
      // Tickets come before the first bytes; do not wait for more.
      if (SSL_pending(ssl.get()) == 0) break;
    }
  }
  ERR_clear_error();
  return outcome;
}

}  // namespace

absl::Status TlsSelfTest(const std::string& address, const TlsFiles& files,
                         absl::Duration timeout) {
  ASSIGN_OR_RETURN(const Ssl<SSL_CTX> old, MakeContext(TLS1_2_VERSION));
  RETURN_IF_ERROR(AddCertificate(old.get(), files));
  ASSIGN_OR_RETURN(const Outcome with_old, Probe(address, old.get(), timeout));
  if (with_old.handshake) return NotHeld("TLS 1.2 was accepted");

  ASSIGN_OR_RETURN(const Ssl<SSL_CTX> nameless, MakeContext(TLS1_3_VERSION));
  ASSIGN_OR_RETURN(const Outcome without,
                   Probe(address, nameless.get(), timeout));
  if (without.served) {
    return NotHeld("a client without a certificate was served");
  }

  ASSIGN_OR_RETURN(const Ssl<SSL_CTX> good, MakeContext(TLS1_3_VERSION));
  RETURN_IF_ERROR(AddCertificate(good.get(), files));
  ASSIGN_OR_RETURN(const Outcome with, Probe(address, good.get(), timeout));
  // Without this the two refusals above would prove nothing.
  if (!with.served) return NotHeld("our own certificate was refused");
  if (with.tickets > 0) return NotHeld("a session ticket was given");
  return absl::OkStatus();
}

}  // namespace innkeeper
