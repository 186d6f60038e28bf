#include "auth/tls_init.h"

#include <openssl/conf.h>
#include <openssl/crypto.h>
#include <openssl/ssl.h>
#include <sys/mman.h>

#include <cerrno>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "auth/openssl.h"
#include "base/error.h"
#include "base/file.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace innkeeper {
namespace {

// MinProtocol would be overridden by gRPC; a protocol that is off stays off.
constexpr absl::string_view kConfig = R"(openssl_conf = init
[init]
ssl_conf = ssl
[ssl]
system_default = sd
[sd]
Protocol = -TLSv1.2,-TLSv1.1,-TLSv1
Options = -SessionTicket
NumTickets = 0
)";

// Whether a fresh context, such as gRPC makes, has the settings.
bool Effective() {
  const Ssl<SSL_CTX> context(SSL_CTX_new(TLS_method()));
  return context != nullptr &&
         (SSL_CTX_get_options(context.get()) & SSL_OP_NO_TLSv1_2) != 0 &&
         (SSL_CTX_get_options(context.get()) & SSL_OP_NO_TICKET) != 0 &&
         SSL_CTX_get_num_tickets(context.get()) == 0;
}

}  // namespace

absl::Status InitTls() {
  const UniqueFd fd(memfd_create("openssl.cnf", MFD_CLOEXEC));
  if (!fd.valid()) {
    return ErrnoError(errno, "the TLS settings cannot be written");
  }
  RETURN_IF_ERROR(WriteAll(fd.get(), kConfig));
  const std::string path = absl::StrCat("/proc/self/fd/", fd.get());

  // By name and not by OPENSSL_CONF, which OpenSSL ignores in a process with
  // file capabilities.
  OPENSSL_INIT_SETTINGS* settings = OPENSSL_INIT_new();
  OPENSSL_INIT_set_config_filename(settings, path.c_str());
  OPENSSL_init_ssl(OPENSSL_INIT_LOAD_CONFIG, settings);
  OPENSSL_INIT_free(settings);
  if (Effective()) return absl::OkStatus();

  // OpenSSL reads its file once. Something was faster; load ours over it.
  CONF_modules_load_file(path.c_str(), nullptr, 0);
  if (Effective()) return absl::OkStatus();
  return Error(absl::StatusCode::kInternal, reason::kInternal,
               "OpenSSL does not take the TLS settings (TLS 1.3 only, no "
               "session tickets); without them nothing is served");
}

}  // namespace innkeeper
