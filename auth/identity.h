// A principal together with how it was proved.
#ifndef INNKEEPER_AUTH_IDENTITY_H_
#define INNKEEPER_AUTH_IDENTITY_H_

#include <string>

#include "absl/time/time.h"
#include "auth/principal.h"

namespace innkeeper {

// A value. Made by the verification of a certificate or of a unix peer, and for
// a forwarded call from the delegation (see ForwardedIdentity).
struct Identity {
  Principal principal;
  // Whether the kernel says that the caller is root on this host. Never true
  // of a forwarded caller.
  bool host_admin = false;
  // SHA-256 of the leaf certificate in hex. Empty for a unix peer.
  std::string fingerprint;
  // The end of the certificate's validity; never for a unix peer.
  absl::Time expire_time = absl::InfiniteFuture();
  // Where the call came from: "192.0.2.1:50000" or "unix".
  std::string address;
};

// The identity of `caller`, for whom the peer `by` forwards a call. It lasts no
// longer than the peer's own.
inline Identity ForwardedIdentity(const Principal& caller, const Identity& by) {
  return Identity{caller, false, by.fingerprint, by.expire_time, by.address};
}

}  // namespace innkeeper

#endif  // INNKEEPER_AUTH_IDENTITY_H_
