// Who is at the other end of a connection, and by what proof.
#ifndef INNKEEPER_RPC_VERIFIED_PEER_H_
#define INNKEEPER_RPC_VERIFIED_PEER_H_

#include <optional>

#include "auth/certificate.h"
#include "auth/identity.h"

namespace innkeeper {

struct VerifiedPeer {
  Identity identity;
  // Empty for a unix peer.
  std::optional<Certificate> certificate;
};

}  // namespace innkeeper

#endif  // INNKEEPER_RPC_VERIFIED_PEER_H_
