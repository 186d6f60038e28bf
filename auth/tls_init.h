// The TLS settings of the whole process.
#ifndef INNKEEPER_AUTH_TLS_INIT_H_
#define INNKEEPER_AUTH_TLS_INIT_H_

#include "absl/status/status.h"

namespace innkeeper {

// Makes every TLS connection of this process TLS 1.3 without session tickets:
// gRPC 1.51 cannot say either, and a resumed session would survive its
// certificate's revocation. OPENSSL_CONF and the system's openssl.cnf are not
// read. Call once, at the start of main, before anything uses OpenSSL or gRPC;
// calling it again does no harm. INTERNAL if OpenSSL does not comply, in which
// case the process must not serve.
absl::Status InitTls();

}  // namespace innkeeper

#endif  // INNKEEPER_AUTH_TLS_INIT_H_
