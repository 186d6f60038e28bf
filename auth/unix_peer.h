// Who is at the other end of a unix socket: the kernel's word, nothing else.
#ifndef INNKEEPER_AUTH_UNIX_PEER_H_
#define INNKEEPER_AUTH_UNIX_PEER_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "auth/identity.h"
#include "auth/principal.h"

namespace innkeeper {

// Accounts of this machine that are users of ours. Login names mean nothing.
using LocalUsers = std::map<uint32_t, Principal>;

// From a configuration: uid to "user/NAME". INVALID_ARGUMENT (CONFIG_INVALID),
// naming each entry that is not.
absl::StatusOr<LocalUsers> ParseLocalUsers(
    const std::map<uint32_t, std::string>& entries);

// The identity of whoever connected `socket`, by SO_PEERCRED: the uid at the
// time of connect(2). Where `users` has no name for it, it is local/HOST/UID.
// Uid 0 is the host's administrator, with or without a name.
// INVALID_ARGUMENT if `socket` is no connected unix socket or `host` no name.
absl::StatusOr<Identity> UnixPeerIdentity(int socket, absl::string_view host,
                                          const LocalUsers& users);

// The same for a uid that is known already.
absl::StatusOr<Identity> IdentityOfUid(uint32_t uid, absl::string_view host,
                                       const LocalUsers& users);

}  // namespace innkeeper

#endif  // INNKEEPER_AUTH_UNIX_PEER_H_
