// Proves at start what must never be otherwise.
#ifndef INNKEEPER_AUTH_TLS_SELF_TEST_H_
#define INNKEEPER_AUTH_TLS_SELF_TEST_H_

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "auth/tls_credentials.h"

namespace innkeeper {

// Connects to a server of our own at `address` ("IP:PORT", with [] around
// IPv6) with the server's own files, and demands that
//  - a client of TLS 1.2 with a good certificate is refused,
//  - a client of TLS 1.3 without a certificate gets not one byte,
//  - one with a good certificate is served, and given no session ticket.
// FAILED_PRECONDITION, naming what did not hold; UNAVAILABLE if there is no
// connection. Blocks, at most about three times `timeout`.
absl::Status TlsSelfTest(const std::string& address, const TlsFiles& files,
                         absl::Duration timeout = absl::Seconds(5));

}  // namespace innkeeper

#endif  // INNKEEPER_AUTH_TLS_SELF_TEST_H_
